"""From a table of predictions to the nested figures of ``evaluation.json``.

Every number of the report, of MLflow and of DVC's metrics file comes from here, so that they cannot disagree; and
everything is computed from the tables of predictions alone, so that saved predictions can be scored again without a
model (:mod:`soundmind_pipeline.evaluation.rescoring`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.sampled import summarise_sampled
from soundmind_pipeline.evaluation.summaries import accuracy, compare, duration_edges, mean, summarise

BEFORE: Final = "sft"
AFTER: Final = "rl"
TEACHER_FIGURES: Final = ("natural_claim", "sampled_teacher")
"""What imitating the teacher is worth: measured beside the shortcuts, but no surface shortcuts."""


def assemble(
    predictions: pd.DataFrame,
    classifiers: Mapping[str, float],
    bootstrap_samples: int,
    seed: int,
    sampled: pd.DataFrame | None = None,
    others: Mapping[str, pd.DataFrame] | None = None,
) -> dict[str, Any]:
    """Everything ``evaluation.json`` holds.

    Args:
        predictions: The predictions table: both policies and the baselines under all conditions.
        classifiers: Held-out accuracy of each shortcut classifier and of the teacher.
        bootstrap_samples: Bootstrap samples of the intervals.
        seed: Seed of the bootstrap.
        sampled: Rows of ``Examiner.sample``; None or empty without any.
        others: Predictions tables of other runs on the same problems, by name.

    Returns:
        ``policies.<policy>.<setting>``: figures of :func:`~soundmind_pipeline.evaluation.summaries.summarise`, with
        ``spoken`` where answers were spoken; ``paired.<setting>``: RL minus SFT on the same problems, as
        :func:`~soundmind_pipeline.evaluation.summaries.compare` gives it; ``controls.<control>``: the final policy
        under a control; ``audio_grounding``: accuracy with the right audio minus accuracy on silence, ``gap``, with its
        paired ``ci95``, McNemar ``p`` and ``n``, and ``audio_grounding_gap`` the gap alone, both None without that
        control;
        ``sampled.<policy>.<setting>``: see :func:`~soundmind_pipeline.evaluation.sampled.summarise_sampled`;
        ``baselines.<name>.<setting>``: as for the policies, with ``against_rl``, RL minus the baseline;
        ``compared.<run>.<policy>.<setting>``: this run minus another; ``label_prior``: share of the more frequent
        label; ``shortcuts`` and ``teacher``: ``classifiers``; ``seconds``: empty, for the stage times.

    Raises:
        SoundmindError: A table holds several answers to one problem, as that of ``Examiner.sample`` does.
    """
    others = others or {}
    for name, table in {"The predictions": predictions, **others}.items():
        _require_one_answer_each(name, table)
    plain = predictions[predictions["control"] == "none"]
    ours = plain["policy"].isin([BEFORE, AFTER])
    problems = plain.drop_duplicates("uid")
    edges = duration_edges(problems["question_seconds"]), duration_edges(problems["answer_seconds"])
    policies, baselines = _cells(plain[ours], *edges), _cells(plain[~ours], *edges)
    for name, settings in baselines.items():
        for setting, figures in settings.items():
            rows = plain[plain["setting"] == setting]
            figures["against_rl"] = _between(rows, name, AFTER, bootstrap_samples, seed)
    settings_of_both = plain[ours].groupby("setting", sort=False)
    grounding = audio_grounding(predictions, bootstrap_samples, seed)
    return {
        "policies": policies,
        "paired": {str(s): _between(rows, BEFORE, AFTER, bootstrap_samples, seed) for s, rows in settings_of_both},
        "controls": _controls(predictions, policies),
        "audio_grounding": grounding,
        "audio_grounding_gap": grounding["gap"] if grounding else None,
        "sampled": _sampled(sampled, bootstrap_samples, seed),
        "baselines": baselines,
        "compared": {name: _compared(plain[ours], other, bootstrap_samples, seed) for name, other in others.items()},
        "label_prior": _label_prior(plain),
        "shortcuts": {name: value for name, value in classifiers.items() if name not in TEACHER_FIGURES},
        "teacher": {name: value for name, value in classifiers.items() if name in TEACHER_FIGURES},
        "seconds": {},
    }


def _require_one_answer_each(name: str, table: pd.DataFrame) -> None:
    """Every interval and test here is over problems: a problem that counts n times would shorten them."""
    keys = ["policy", "setting", "control", "uid"]
    again = table.loc[table.duplicated(keys), keys]
    if len(again):
        policy, setting, control, uid = again.iloc[0]
        raise SoundmindError(
            f"{name}: {policy} answers {uid} more than once ({setting}, control {control}).",
            hint="Give a predictions.parquet; sampled_predictions.parquet holds several answers to each problem.",
        )


def _cells(
    rows: pd.DataFrame, question_edges: Sequence[float], answer_edges: Sequence[float]
) -> dict[str, dict[str, Any]]:
    """Policy → setting → figures; the bins of durations are the same in all."""
    cells: dict[str, dict[str, Any]] = {}
    for (policy, setting), group in rows.groupby(["policy", "setting"], sort=False):
        cells.setdefault(str(policy), {})[str(setting)] = summarise(group, question_edges, answer_edges)
    return cells


def _between(rows: pd.DataFrame, before: str, after: str, samples: int, seed: int) -> dict[str, Any]:
    """Policy ``after`` minus policy ``before`` on the problems that both answered; empty unless there are any."""
    return compare(rows[rows["policy"] == before], rows[rows["policy"] == after], samples, seed)


def _controls(predictions: pd.DataFrame, policies: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Each control of the final policy, with its distance to the same policy with the right audio."""
    rows = predictions[(predictions["control"] != "none") & (predictions["policy"] == AFTER)]
    controls = {}
    for control, group in rows.groupby("control", sort=False):
        with_audio = policies[AFTER]["audio_to_text"]["accuracy"]
        figures = accuracy(group["right"])
        controls[str(control)] = {
            **figures,
            "accuracy_lenient": mean(group["right_lenient"]),
            "format_valid": mean(group["format_valid"]),
            "heard": mean(group["restated"]),
            "gap": with_audio - figures["accuracy"],
            "chance": _chance_agreement(group),
        }
    return controls


def audio_grounding(predictions: pd.DataFrame, samples: int, seed: int) -> dict[str, Any] | None:
    """The audio grounding gap of the final policy, problem by problem; None without the control ``silence``."""
    heard = predictions[(predictions["policy"] == AFTER) & (predictions["setting"] == "audio_to_text")]
    test = compare(heard[heard["control"] == "silence"], heard[heard["control"] == "none"], samples, seed)
    return {"gap": test["difference"], "ci95": test["ci95"], "p": test["p"], "n": test["n"]} if test else None


def _sampled(rows: pd.DataFrame | None, samples: int, seed: int) -> dict[str, dict[str, Any]]:
    cells: dict[str, dict[str, Any]] = {}
    if rows is not None and len(rows):
        for (policy, setting), group in rows.groupby(["policy", "setting"], sort=False):
            cells.setdefault(str(policy), {})[str(setting)] = summarise_sampled(group, samples, seed)
    return cells


def _compared(ours: pd.DataFrame, other: pd.DataFrame, samples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Policy → setting → this run minus the other one, where both have answers."""
    theirs = dict(list(other[other["control"] == "none"].groupby(["policy", "setting"])))
    cells: dict[str, dict[str, Any]] = {}
    for (policy, setting), rows in ours.groupby(["policy", "setting"], sort=False):
        if (policy, setting) in theirs:
            test = compare(theirs[policy, setting], rows, samples, seed)
            cells.setdefault(str(policy), {})[str(setting)] = test
    return cells


def _chance_agreement(rows: pd.DataFrame) -> float:
    """Accuracy of answers with these verdict counts if they knew nothing of the labels: sum of p(verdict)·p(label)."""
    said = rows["verdict"].map({"entailed": 1, "not entailed": 0})
    return float(sum((said == label).mean() * (rows["label"] == label).mean() for label in (0, 1)))


def _label_prior(rows: pd.DataFrame) -> float:
    """Share of the more frequent label among the problems."""
    share = rows.drop_duplicates("uid")["label"].mean()
    return float(max(share, 1 - share))


def headline(figures: Mapping[str, Any]) -> dict[str, float]:
    """The figures of one policy under one condition that trackers follow."""
    figures = {name: figures[name] for name in ("accuracy", "format_valid", "reward")} | _spoken_headline(figures)
    return {name: float(value) for name, value in figures.items() if value is not None}


def _spoken_headline(figures: Mapping[str, Any]) -> dict[str, Any]:
    """``wer`` and ``accuracy_heard`` where answers were spoken."""
    spoken = figures.get("spoken")
    return {"wer": spoken["wer"], "accuracy_heard": spoken["accuracy_heard"]["accuracy"]} if spoken else {}


def flat_metrics(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The small table that DVC follows: the headline of both policies, what RL changed, controls, baselines."""
    flat: dict[str, Any] = {
        policy: {setting: headline(figures) for setting, figures in settings.items()}
        for policy, settings in evaluation["policies"].items()
    }
    flat["gain"] = {setting: paired["difference"] for setting, paired in evaluation["paired"].items() if paired}
    flat["controls"] = {control: figures["accuracy"] for control, figures in evaluation["controls"].items()}
    if evaluation["audio_grounding_gap"] is not None:
        flat["audio_grounding_gap"] = evaluation["audio_grounding_gap"]
    flat["baselines"] = {
        name: {setting: figures["accuracy"] for setting, figures in settings.items()}
        for name, settings in evaluation["baselines"].items()
    }
    return flat


def form_table(evaluation: Mapping[str, Any]) -> pd.DataFrame:
    """Accuracy by problem form as a long table, for plots: policy, setting, form, accuracy, low, high, n, heard."""
    rows = [
        {
            "policy": policy,
            "setting": setting,
            "form": form,
            "accuracy": cell["accuracy"],
            "low": cell["ci95"][0],
            "high": cell["ci95"][1],
            "n": cell["n"],
            "heard": cell["heard"],
        }
        for policy, settings in evaluation["policies"].items()
        for setting, figures in settings.items()
        for form, cell in figures["by_form"].items()
    ]
    return pd.DataFrame(rows, columns=["policy", "setting", "form", "accuracy", "low", "high", "n", "heard"])
