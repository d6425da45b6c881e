"""Tables 3 to 7 of the paper with this run's numbers beside the paper's."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.evaluation.keys import join_key, look_up
from soundmind_pipeline.evaluation.lengths import MEASURES, SPLITS, draw_durations, split_statistics
from soundmind_pipeline.evaluation.metrics import AFTER, BEFORE
from soundmind_pipeline.evaluation.number_tables import Cell, Column, Line, NumberTable
from soundmind_pipeline.evaluation.paper import ABLATION, BASE_MODEL, OTHER_MODELS, RESULTS, TEST_ITEMS, Reported
from soundmind_pipeline.evaluation.statistics import wilson_interval
from soundmind_pipeline.evaluation.table_formats import to_csv, to_html, to_json, to_latex
from soundmind_pipeline.problems.published.table3 import PAPER

ABLATION_COMMAND: Final = "kedro run --pipeline=ablation"
EMPTY: Final = Cell()
STAGES: Final = ((BEFORE, f"before RL: {BASE_MODEL} · SFT policy"), (AFTER, "after SoundMind-RL"))


def table_files(
    evaluation: Mapping[str, Any], index: pd.DataFrame, ablation: Mapping[str, Any] | None
) -> dict[str, bytes]:
    """The folder ``tables``: each table as CSV, LaTeX and HTML, all of them as JSON, and figure 4.

    Args:
        evaluation: The content of ``evaluation.json``.
        index: The feature index, all splits.
        ablation: The content of ``ablation.json``; None where the ablation has not been run.

    Returns:
        File name → content.
    """
    tables = paper_tables(evaluation, index, ablation)
    texts = {"tables.json": to_json(tables)}
    for table in tables:
        texts |= {f"{table.name}.csv": to_csv(table), f"{table.name}.tex": to_latex(table)}
        texts[f"{table.name}.html"] = to_html(table)
    for side in ("question", "answer"):
        drawn = draw_durations(index, side)
        if drawn is not None:
            texts[f"figure_4_{side}.svg"] = drawn
    return {name: text.encode() for name, text in texts.items()}


def paper_tables(
    evaluation: Mapping[str, Any], index: pd.DataFrame, ablation: Mapping[str, Any] | None
) -> list[NumberTable]:
    """Tables 3 to 7, as :func:`table_files` takes its arguments."""
    return [
        data_table(index),
        audio_to_text_table(evaluation),
        spoken_table(evaluation, "table_5", "text_to_audio", "text → audio"),
        spoken_table(evaluation, "table_6", "audio_to_audio", "audio → audio"),
        ablation_table(ablation),
    ]


def data_table(index: pd.DataFrame) -> NumberTable:
    """Table 3: number of problems, labels and mean lengths of each split."""
    kinds: dict[str, Any] = {"rows": "count", "entailed": "count", "not_entailed": "count"}
    digits = dict.fromkeys(MEASURES, 0) | {"question_seconds": 2, "answer_seconds": 2}
    names = ("rows", "entailed", "not_entailed", *MEASURES)
    ours = split_statistics(index)
    lines = []
    for split in SPLITS:
        for source, figures in (("paper", PAPER[split]), ("ours", ours.get(split, {}))):
            cells = [Cell(figures.get(name), kinds.get(name, "number"), digits.get(name, 1)) for name in names]
            lines.append(Line(f"{split}, {source}", tuple(cells), emphasis=source == "ours"))
    columns = tuple(Column("", name.replace("_", " ")) for name in names)
    note = "Lengths are means. A dash: that side was not spoken in this run."
    return NumberTable("table_3", "the data", columns, tuple(lines), (note,))


def audio_to_text_table(evaluation: Mapping[str, Any]) -> NumberTable:
    """Table 4: accuracy from audio to text, of the policies, of the paper's other models and of our baselines."""
    columns = (Column("paper", "accuracy"), Column("ours", "accuracy"), Column("ours", "problems"))
    setting = "audio_to_text"
    lines = [
        Line(label, (_reported(result), *_ours(evaluation, "policies", policy, setting)), emphasis=policy == AFTER)
        for (policy, label), result in zip(STAGES, RESULTS[setting], strict=True)
    ]
    lines.append(Line("change, points", (_gain(setting), *_change(evaluation, setting))))
    lines += [Line(name, (_reported(result), EMPTY, EMPTY)) for name, result in OTHER_MODELS.items()]
    baselines = evaluation.get("baselines") or {}
    lines += [
        Line(f"baseline: {name}", (EMPTY, *_ours(evaluation, "baselines", name, setting)))
        for name, settings in baselines.items()
        if settings.get(setting)
    ]
    return NumberTable("table_4", "audio → text", columns, tuple(lines), (_interval_note(),))


def spoken_table(evaluation: Mapping[str, Any], name: str, setting: str, title: str) -> NumberTable:
    """Tables 5 and 6: accuracy and word error rate of spoken answers.

    Accuracy is that of the answer's text, as in the paper, whose audio → audio equals its audio → text; beside it
    stands the accuracy of the verdicts that a recogniser hears in the speech.
    """
    columns = (
        *(Column("paper", heading) for heading in ("accuracy", "WER")),
        *(Column("ours", heading) for heading in ("accuracy", "problems", "accuracy, heard", "WER")),
    )
    lines = []
    for (policy, label), result in zip(STAGES, RESULTS[setting], strict=True):
        spoken = ("policies", policy, setting, "spoken")
        paper = (_reported(result), Cell(result.wer, "share", 2))
        ours = (*_ours(evaluation, "policies", policy, setting), _accuracy(evaluation, *spoken, "accuracy_heard"))
        wer = _cell(evaluation, "share", *spoken, "wer", digits=2)
        lines.append(Line(label, (*paper, *ours, wer), emphasis=policy == AFTER))
    before, after = (result.wer or 0.0 for result in RESULTS[setting])
    paper = (_gain(setting), Cell(round(after - before, 4), "points", 2))
    lines.append(Line("change, points", (*paper, *_change(evaluation, setting), EMPTY, EMPTY)))
    notes = [
        _interval_note(),
        "Accuracy: verdict in the answer's text; heard: verdict in the transcript of its speech.",
    ]
    if look_up(evaluation, join_key("policies", AFTER, setting)) is None:
        notes.append("Ours is empty: this run spoke no answers (evaluation.spoken.problems).")
    return NumberTable(name, title, columns, tuple(lines), tuple(notes))


def ablation_table(ablation: Mapping[str, Any] | None) -> NumberTable:
    """Table 7: audio → text with parts of the reward left out; ours as the mean over seeds."""
    columns = (
        Column("paper", "accuracy"),
        *(Column("ours", heading) for heading in ("accuracy", "against full", "seeds")),
    )
    arms: list[Mapping[str, Any]] = list(ablation["arms"].values()) if ablation else []
    # Not by name: an arm called "full" may have been trained with other weights, or by another algorithm.
    ours = {arm["row"]: arm for arm in reversed(arms) if arm.get("row")}  # unknown in older files
    lines = [
        Line(label, (_reported(reported), *_arm(ours.get(row, {}))), emphasis=row == "full")
        for row, (label, reported) in ABLATION.items()
    ]
    lines += [Line(arm["label"], (EMPTY, *_arm(arm))) for arm in arms if ours.get(arm.get("row")) is not arm]
    note = _interval_note()
    if ablation is None:
        notes = (note, f"Ours is empty: the ablation has not been run. It is filled by: {ABLATION_COMMAND}")
    else:
        notes = (note, f"Ours: {ablation['problems']:,} held-out problems; mean over seeds with its 95% interval.")
    return NumberTable("table_7", "ablation of the reward, audio → text", columns, tuple(lines), notes)


def _arm(arm: Mapping[str, Any]) -> tuple[Cell, Cell, Cell]:
    """Mean accuracy over seeds, distance to the full reward, number of seeds."""
    against = arm.get("against_full") or {}
    return (
        Cell(look_up(arm, "mean.audio_to_text.accuracy"), "share", 1, _pair(arm.get("ci95"))),
        Cell(against.get("difference"), "points", 1, _pair(against.get("ci95"))),
        Cell(len(arm["seeds"]) if arm.get("seeds") else None, "count"),
    )


def _reported(result: Reported) -> Cell:
    """An accuracy of the paper with the Wilson interval that it has on its test split."""
    return Cell(result.accuracy, "share", 2, wilson_interval(round(result.accuracy * TEST_ITEMS), TEST_ITEMS))


def _gain(setting: str) -> Cell:
    before, after = RESULTS[setting]
    return Cell(round(after.accuracy - before.accuracy, 4), "points", 2)


def _ours(evaluation: Mapping[str, Any], *path: str) -> tuple[Cell, Cell]:
    """Accuracy with its interval, and on how many problems."""
    return _accuracy(evaluation, *path), _cell(evaluation, "count", *path, "n")


def _accuracy(evaluation: Mapping[str, Any], *path: str) -> Cell:
    return _cell(evaluation, "share", *path, "accuracy", interval=(*path, "ci95"))


def _change(evaluation: Mapping[str, Any], setting: str) -> tuple[Cell, Cell]:
    path = ("paired", setting)
    return (
        _cell(evaluation, "points", *path, "difference", interval=(*path, "ci95")),
        _cell(evaluation, "count", *path, "n"),
    )


def _cell(
    evaluation: Mapping[str, Any], kind: Any, *path: str, digits: int = 1, interval: tuple[str, ...] = ()
) -> Cell:
    """The figure of ``evaluation.json`` at ``path``; empty where there is none."""
    key, interval_key = join_key(*path), join_key(*interval)
    value, bounds = look_up(evaluation, key), look_up(evaluation, interval_key) if interval else None
    if value is None:
        return EMPTY
    return Cell(value, kind, digits, _pair(bounds), key, interval_key if bounds else "")


def _pair(bounds: Any) -> tuple[float, float] | None:
    return (bounds[0], bounds[1]) if bounds else None


def _interval_note() -> str:
    return f"Brackets: 95% intervals; those of the paper's numbers are Wilson's for {TEST_ITEMS} items, computed here."
