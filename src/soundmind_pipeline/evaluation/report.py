"""The report: one HTML file that needs nothing else, neither a server nor a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from markupsafe import Markup, escape

from soundmind_pipeline.evaluation.examples import KINDS, Answer, Example
from soundmind_pipeline.evaluation.figures import order_forms
from soundmind_pipeline.evaluation.keys import join_key, look_up
from soundmind_pipeline.evaluation.marking import REWARD_TERMS
from soundmind_pipeline.evaluation.metrics import AFTER, BEFORE
from soundmind_pipeline.evaluation.number_tables import MISSING, Kind, show
from soundmind_pipeline.evaluation.pages import page_environment
from soundmind_pipeline.evaluation.paper import caveats
from soundmind_pipeline.evaluation.provenance import provenance
from soundmind_pipeline.evaluation.slice_figures import natural_order, sampled_counts
from soundmind_pipeline.evaluation.style import CONTROL_NAMES, POLICY_NAMES, SETTING_NAMES, inline_svg
from soundmind_pipeline.evaluation.tables import best_shortcut
from soundmind_pipeline.problems.verified.families import FALLACIES, VALID_FORMS
from soundmind_pipeline.stages import Artifact, Origin

FORM_NAMES: Final = {
    "MP": "modus ponens",
    "MT": "modus tollens",
    "DS": "disjunctive syllogism",
    "CS": "conjunctive syllogism",
    "AC": "affirming the consequent",
    "DA": "denying the antecedent",
    "AD": "affirming a disjunct",
    "DC": "denying a conjunct",
}
FIGURE_TITLES: Final = {
    "accuracy": "Held-out accuracy before and after RL with 95% intervals",
    "forms": "Accuracy by problem form before and after RL",
    "learning_curves": "Learning curves of warm-up and RL",
    "controls": "Accuracy with something done to the audio, and over the signal-to-noise ratio",
    "slices": "Accuracy by duration of the question and by difficulty",
    "lengths": "Accuracy by length of the answer",
    "rewards": "Mean reward by term before and after RL",
    "sampled": "pass@k and majority@k of sampled answers",
    "figure_4_question": "Histograms of question durations by split and label",
    "figure_4_answer": "Histograms of answer durations by split and label",
}
PAPER_TABLES: Final = ("table_3", "table_4", "table_5", "table_6", "table_7")


@dataclass(frozen=True)
class Inputs:
    """What the report is made of."""

    evaluation: Mapping[str, Any]
    """The content of ``evaluation.json``; every number of it that is shown carries its key in ``data-key``."""
    figures: Mapping[str, bytes]
    """SVG files: ``accuracy.svg`` and the others of :data:`FIGURE_TITLES`; those that are missing are left out."""
    tables: Mapping[str, bytes]
    """The folder ``tables`` of :func:`~soundmind_pipeline.evaluation.paper_tables.table_files`."""
    examples: Sequence[Example]
    """Spoken problems to show."""
    settings: Mapping[str, Mapping[str, Any]]
    """Parameters in force: block → dotted key → value."""
    ablation: Mapping[str, Any] | None = None
    """The content of ``ablation.json``."""
    answers: tuple[Artifact, Origin] | None = None
    """What is recorded of the final policy's answers, and the run that gave them."""


def render_report(inputs: Inputs) -> str:
    """The whole report as HTML."""
    environment = page_environment()
    evaluation = inputs.evaluation
    numbers = _Numbers(evaluation)
    environment.globals.update(
        pct=numbers.percent, ci=numbers.interval, points=numbers.points, num=numbers.plain, count=numbers.count,
        has=numbers.has, p_value=numbers.p_value, key=join_key, natural=natural_order,
    )  # fmt: skip
    shown = {name: label for name, label in SETTING_NAMES.items() if numbers.has(f"policies.{AFTER}.{name}")}
    forms = {form for s in evaluation["policies"].values() for cell in s.values() for form in cell["by_form"]}
    return environment.get_template("report.html.j2").render(
        evaluation=evaluation,
        figures=_drawings({**inputs.figures, **inputs.tables}),
        tables=[Markup(inputs.tables[f"{name}.html"].decode()) for name in PAPER_TABLES],
        examples=[_marked(example) for example in inputs.examples],
        kinds=[(kind, n) for kind in KINDS.values() if (n := sum(e.kind == kind for e in inputs.examples))],
        settings=inputs.settings,
        setting_names=shown,
        written_names={name: label for name, label in shown.items() if name.endswith("_to_text")},
        spoken_names={name: label for name, label in shown.items() if numbers.has(f"policies.{AFTER}.{name}.spoken")},
        policies={name: POLICY_NAMES[name] for name in (BEFORE, AFTER)},
        all_settings=SETTING_NAMES,
        reward_terms=[term for term in REWARD_TERMS if _is_used(evaluation, term)],
        controls={name: label for name, label in CONTROL_NAMES.items() if name in evaluation["controls"]},
        sampled_counts=sampled_counts(evaluation.get("sampled") or {}),
        best=best_shortcut(evaluation),
        shortcuts=sorted(evaluation["shortcuts"].items(), key=lambda item: -item[1]),
        forms=[(form, FORM_NAMES.get(form, ""), _kind(form)) for form in order_forms(forms)],
        caveats=caveats(evaluation, verified=bool(forms)),
        ablation=inputs.ablation,
        run_name=inputs.answers[1].run_name if inputs.answers else None,
        provenance=provenance(inputs.answers, inputs.settings),
    )


def _drawings(files: Mapping[str, bytes]) -> dict[str, Markup]:
    """The SVG files that there are, as elements of the page."""
    return {
        name: Markup(inline_svg(files[f"{name}.svg"].decode(), name, title)) if f"{name}.svg" in files else Markup()
        for name, title in FIGURE_TITLES.items()
    }


def _is_used(evaluation: Mapping[str, Any], term: str) -> bool:
    return any(cell["reward_terms"].get(term) for s in evaluation["policies"].values() for cell in s.values())


def _kind(form: str) -> str:
    return "valid" if form in VALID_FORMS else "fallacy" if form in FALLACIES else ""


def _marked(example: Example) -> tuple[Example, list[tuple[Answer, str, list[tuple[str, bool]]]]]:
    """An example with its answers, their headings and their reasoning cut into runs."""
    answers = zip((example.before, example.after), POLICY_NAMES.values(), strict=True)
    return example, [(answer, name, mark_changes(example.yardstick, answer.reasoning)) for answer, name in answers]


def mark_changes(reference: str, text: str) -> list[tuple[str, bool]]:
    """A text as runs of words ``(run, differs from the reference)``, so that the eye finds where it parts from it.

    Words that the text leaves out are shown as a run ``…`` that differs.
    """
    old, new = reference.split(), text.split()
    runs: list[tuple[str, bool]] = []
    for tag, *_, start, stop in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        runs.append((" ".join(new[start:stop]) or "…", tag != "equal"))
    return runs


class _Numbers:
    """Formats figures of the evaluation by their key, and leaves key and full value in the page."""

    def __init__(self, evaluation: Mapping[str, Any]) -> None:
        self._evaluation = evaluation

    def has(self, key: str) -> bool:
        """Whether there is a figure under ``key``."""
        return look_up(self._evaluation, key) not in (None, {}, [])

    def _show(self, key: str, kind: Kind, digits: int = 1) -> Markup:
        value = look_up(self._evaluation, key)
        if value is None:
            return Markup('<span class="faint">{}</span>').format(MISSING)
        parts = value if isinstance(value, list) else [value]
        raw = " ".join(repr(part) for part in parts)
        return Markup('<data data-key="{}" value="{}">{}</data>').format(escape(key), raw, show(value, kind, digits))

    def percent(self, key: str) -> Markup:
        """A share, as ``62.4%``."""
        return self._show(key, "share")

    def points(self, key: str) -> Markup:
        """A difference of shares in percentage points, as ``+26.0``."""
        return self._show(key, "points")

    def interval(self, key: str, signed: bool = False) -> Markup:
        """An interval of shares or of their differences, as ``[58.1, 66.5]``; nothing where there is none."""
        return self._show(key, "change_interval" if signed else "interval") if self.has(key) else Markup()

    def plain(self, key: str, digits: int = 2) -> Markup:
        """A number with ``digits`` decimals."""
        return self._show(key, "number", digits)

    def count(self, key: str) -> Markup:
        """A whole number."""
        return self._show(key, "count")

    def p_value(self, key: str) -> Markup:
        """A p value with three decimals, or that it is below the last of them."""
        value = look_up(self._evaluation, key)
        return Markup("&lt; 0.001") if value is not None and value < 0.001 else self.plain(key, 3)
