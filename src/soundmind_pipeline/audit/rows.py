"""What the audit keeps of one annotation: its measures, its verdict and its texts in normal form, not its reasoning."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from soundmind_pipeline.problems.published.annotations import Annotation
from soundmind_pipeline.problems.published.premises import Premises, normal_form, split_prompt
from soundmind_pipeline.rewards.lenient import parse_verdict_lenient
from soundmind_pipeline.rewards.params import Style
from soundmind_pipeline.rewards.verdict import END_OF_TURN, OPEN, parse_verdict

CountTokens = Callable[[str], int]
LABELS: Final = ("not entailed", "entailed")
"""The verdict that agrees with label 0, and with label 1."""

EXCERPT: Final = 160  # characters of a text that the audit shows
_MARKER: Final = re.compile(r"answer:", re.IGNORECASE)
_EDGES: Final = " \t\r\n\"'`*_“”‘’«»….,;:!?()[]。！"


@dataclass(frozen=True, slots=True)
class Row:
    """One annotation, measured."""

    line: int
    id: str | None
    label: int
    label_type: str
    text: str
    """The prompt as it stands."""
    question: str
    """The prompt in normal form: what makes two rows duplicates."""
    premises: Premises | None
    """None if the prompt has no triplet that can be found."""
    major_premise: str | None
    """In normal form."""
    template: str | None
    """The prompt's wording around the triplet."""
    verdict: str | None
    """What the answer's own last line says."""
    reason: str | None
    """Why there is no verdict."""
    spelling: str | None
    """The verdict as written; without a verdict None."""
    ending: str | None
    """Without a verdict: the answer's last characters."""
    verdict_lenient: str | None
    """Without a verdict: what a lenient reading finds."""
    question_words: int
    answer_words: int
    question_tokens: int
    answer_tokens: int
    question_seconds: float | None
    answer_seconds: float | None
    question_speech_seconds: float | None = None
    """What of the clip is speech, by voice activity; an annotation file does not tell."""
    answer_speech_seconds: float | None = None
    source_label: int | None = None
    """The source's label, where the row itself tells it."""

    @property
    def question_words_per_second(self) -> float | None:
        """How fast the question is spoken; None without its duration."""
        return self.question_words / self.question_seconds if self.question_seconds else None

    @property
    def answer_words_per_second(self) -> float | None:
        """How fast the answer is spoken; None without its duration."""
        return self.answer_words / self.answer_seconds if self.answer_seconds else None

    @property
    def is_conflict(self) -> bool:
        """Whether the row's answer says the opposite of its label."""
        return self.verdict is not None and self.verdict != LABELS[self.label]

    @property
    def content(self) -> str:
        """What near matches compare: the triplet without the wording around it, or the whole prompt."""
        return self.text if self.premises is None else "\n".join(self.premises)

    @property
    def place(self) -> dict[str, Any]:
        """Where the row stands, as the audit names it."""
        return {"line": self.line, "id": self.id, "label": self.label}


def measure(annotation: Annotation, count_tokens: CountTokens | None = None, premises: Premises | None = None) -> Row:
    """Measure one annotation.

    The verdict is read in the ``plain`` style of the published annotations, or in the ``think`` style where the answer
    holds a ``<think>`` tag.

    Args:
        annotation: The row as read.
        count_tokens: Length of a text in tokens; whitespace words if None.
        premises: The triplet where it is known; else it is looked for in the prompt.
    """
    prompt = split_prompt(annotation.user_content)
    if premises is None and prompt is not None:
        premises = prompt.premises
    style: Style = "think" if OPEN in annotation.answer else "plain"
    parsed = parse_verdict(annotation.answer, style)
    unread = parsed.verdict is None
    question_words, answer_words = len(annotation.user_content.split()), len(annotation.answer.split())
    return Row(
        line=annotation.line,
        id=annotation.id,
        label=annotation.label,
        label_type=annotation.label_type,
        text=annotation.user_content,
        question=normal_form(annotation.user_content),
        premises=premises,
        major_premise=normal_form(premises.major) if premises else None,
        template=prompt.template if prompt else None,
        verdict=parsed.verdict,
        reason=parsed.reason,
        spelling=None if unread else spelling_of(annotation.answer),
        ending=excerpt(annotation.answer[-80:]) if unread else None,
        verdict_lenient=parse_verdict_lenient(annotation.answer) if unread else None,
        question_words=question_words,
        answer_words=answer_words,
        question_tokens=count_tokens(annotation.user_content) if count_tokens else question_words,
        answer_tokens=count_tokens(annotation.answer) if count_tokens else answer_words,
        question_seconds=annotation.question_seconds,
        answer_seconds=annotation.answer_seconds,
    )


def spelling_of(answer: str) -> str:
    """How the verdict after the last ``Answer:`` is written: its letters and case, without quotes and punctuation."""
    start = max((match.end() for match in _MARKER.finditer(answer)), default=0)
    tail = answer[start:]
    for token in END_OF_TURN:
        tail = tail.replace(token, " ")
    return " ".join(tail.strip(_EDGES).split())


def excerpt(text: str, length: int = EXCERPT) -> str:
    """The beginning of a text on one line, control characters replaced."""
    line = "".join(character if character.isprintable() else " " for character in text[: 4 * length])
    line = " ".join(line.split())
    return line if len(line) <= length else f"{line[:length].rstrip()}…"
