"""The report: one HTML file that needs nothing else, neither a server nor a network."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from soundmind_pipeline.evaluation.examples import Example
from soundmind_pipeline.evaluation.figures import order_forms
from soundmind_pipeline.evaluation.metrics import AFTER, BEFORE, REWARD_TERMS
from soundmind_pipeline.evaluation.style import SETTING_NAMES, inline_svg
from soundmind_pipeline.evaluation.tables import best_shortcut
from soundmind_pipeline.problems.verified.families import FALLACIES, VALID_FORMS

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
    "curves": "Learning curves of warm-up and RL",
}


def render_report(
    evaluation: Mapping[str, Any],
    figures: Mapping[str, str],
    examples: Sequence[Example],
    settings: Mapping[str, Mapping[str, Any]],
) -> str:
    """The whole report as HTML.

    Args:
        evaluation: The content of ``evaluation.json``; every number shown carries its key in ``data-key``.
        figures: Texts of SVG files under the names of :data:`FIGURE_TITLES`.
        examples: Spoken problems to show.
        settings: Parameters in force: block → dotted key → value.
    """
    environment = Environment(
        loader=PackageLoader("soundmind_pipeline.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    numbers = _Numbers(evaluation)
    environment.globals.update(
        pct=numbers.percent, ci=numbers.interval, points=numbers.points, num=numbers.plain, count=numbers.count,
        has=numbers.has,
    )  # fmt: skip
    forms = {form for s in evaluation["policies"].values() for cell in s.values() for form in cell["by_form"]}
    return environment.get_template("report.html.j2").render(
        evaluation=evaluation,
        figures={name: Markup(inline_svg(figures[name], name, title)) for name, title in FIGURE_TITLES.items()},
        examples=[(example, *mark_changes(example.before.reasoning, example.after.reasoning)) for example in examples],
        settings=settings,
        setting_names={name: label for name, label in SETTING_NAMES.items() if numbers.has(f"policies.{AFTER}.{name}")},
        policies=(BEFORE, AFTER),
        reward_terms=REWARD_TERMS,
        best=best_shortcut(evaluation),
        shortcuts=sorted(evaluation["shortcuts"].items(), key=lambda item: -item[1]),
        forms=[(form, FORM_NAMES.get(form, ""), _kind(form)) for form in order_forms(forms)],
    )


def mark_changes(before: str, after: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Two texts as runs of words ``(text, differs from the other text)``, so that the eye finds where they part."""
    old, new = before.split(), after.split()
    left: list[tuple[str, bool]] = []
    right: list[tuple[str, bool]] = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for runs, words in ((left, old[i:j]), (right, new[k:m])):
            if words:
                runs.append((" ".join(words), tag != "equal"))
    return left, right


def _kind(form: str) -> str:
    return "valid" if form in VALID_FORMS else "fallacy" if form in FALLACIES else ""


class _Numbers:
    """Formats figures of the evaluation by their dotted key, and leaves key and full value in the page."""

    def __init__(self, evaluation: Mapping[str, Any]) -> None:
        self._evaluation = evaluation

    def _value(self, key: str) -> Any:
        value: Any = self._evaluation
        for part in key.split("."):
            value = value[part]
        return value

    def has(self, key: str) -> bool:
        """Whether there is a figure under ``key``."""
        try:
            return self._value(key) is not None
        except (KeyError, TypeError):
            return False

    def _show(self, key: str, template: str, scale: float = 1.0) -> Markup:
        if not self.has(key):
            return Markup('<span class="faint">–</span>')
        value = self._value(key)
        parts = value if isinstance(value, list) else [value]
        text = template.format(*(scale * part for part in parts))
        raw = " ".join(repr(part) for part in parts)
        return Markup('<data data-key="{}" value="{}">{}</data>').format(escape(key), raw, text)

    def percent(self, key: str) -> Markup:
        """A share, as ``62.4%``."""
        return self._show(key, "{:.1f}%", 100)

    def points(self, key: str) -> Markup:
        """A difference of shares in percentage points, as ``+26.0``."""
        return self._show(key, "{:+.1f}", 100)

    def interval(self, key: str, signed: bool = False) -> Markup:
        """An interval of shares or of their differences, as ``[58.1, 66.5]``."""
        return self._show(key, "[{:+.1f}, {:+.1f}]" if signed else "[{:.1f}, {:.1f}]", 100)

    def plain(self, key: str, digits: int = 2) -> Markup:
        """A number with ``digits`` decimals."""
        return self._show(key, f"{{:.{digits}f}}")

    def count(self, key: str) -> Markup:
        """A whole number."""
        return self._show(key, "{:.0f}")
