"""Reading the verdict out of a response: a strict parser for rewards and accuracy, a lenient one beside it.

The strict parser scans the text a fixed number of times, with expressions that cannot backtrack: linear time on any
input. Letters are matched in ASCII only, so look-alikes ("Аnswer" with a Cyrillic А) and invisible characters inside a
word are no marker and no verdict.
"""

import re
import string
import unicodedata
from typing import Literal, NamedTuple

from soundmind_pipeline.rewards.params import Style

Verdict = Literal["entailed", "not entailed"]
Reason = Literal[
    "tag_count",  # think: not exactly one <think> and one </think>
    "tag_order",  # think: </think> comes first
    "not_at_start",  # think: something stands before <think>
    "unexpected_tag",  # plain: a <think> or </think>
    "empty_reasoning",  # nothing visible where the reasoning belongs
    "no_marker",  # no "Answer:" where it counts
    "unknown_verdict",  # the last marker is followed by something else than a verdict
    "trailing_text",  # words after the verdict
    "conflicting_verdicts",  # think: markers after </think> disagree
]

OPEN, CLOSE = "<think>", "</think>"
END_OF_TURN = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
    "</s>",
    "<eos>",
)


def _any_case(word: str) -> str:
    """A pattern for an ASCII word in any case; ``re.IGNORECASE`` would let the long s (ſ) pass for an s."""
    return "".join(f"[{letter.upper()}{letter}]" for letter in word)


_MARKER = re.compile(rf"(?<![^\W_]){_any_case('answer')}:")
_VERDICT = re.compile(
    rf"[\s\"'`*_“”‘’«»]*+(?P<negation>{_any_case('not')}(?:\s++|[-_]))?{_any_case('entailed')}(?![^\W_])"
)
_CLOSING = string.punctuation + string.whitespace + "“”‘’«»…。！"


class ParsedVerdict(NamedTuple):
    """What a response says, or why it says nothing."""

    verdict: Verdict | None
    """The verdict, if the response keeps the format."""
    reason: Reason | None
    """Why there is no verdict; None if there is one."""
    reasoning: str
    """The reasoning without tags and marker; empty if the format is broken."""


def parse_verdict(text: str, style: Style) -> ParsedVerdict:
    """Read the verdict of a response that must keep the format exactly.

    ``think``: one ``<think>`` at the start (whitespace may precede), one ``</think>``, visible reasoning between them,
    then optional prose, then a last ``Answer:`` marker with the verdict. Markers in the reasoning never count; markers
    after it must not disagree. ``plain``: no tags, visible reasoning before the last marker. In both, the verdict is
    ``entailed``, ``not entailed``, ``not-entailed`` or ``not_entailed`` in any case, quoted or bold if need be, and
    nothing but punctuation, whitespace and end-of-turn tokens may follow it.

    Args:
        text: The response, any string.
        style: ``think`` or ``plain``.

    Returns:
        The verdict with the reasoning, or the reason for having none. Never raises.
    """
    return _parse_think(text) if style == "think" else _parse_plain(text)


def _parse_think(text: str) -> ParsedVerdict:
    if text.count(OPEN) != 1 or text.count(CLOSE) != 1:
        return _none("tag_count")
    start, close = text.find(OPEN), text.find(CLOSE)
    if close < start:
        return _none("tag_order")
    if start and not text[:start].isspace():
        return _none("not_at_start")
    reasoning = text[start + len(OPEN) : close]
    if not _is_visible(reasoning):
        return _none("empty_reasoning")
    markers = [match.end() for match in _MARKER.finditer(text, close + len(CLOSE))]
    if not markers:
        return _none("no_marker")
    verdict, reason = _closing_verdict(text, markers[-1])
    if verdict is None:
        return ParsedVerdict(None, reason, "")
    if any(_verdict_at(text, marker)[0] not in (None, verdict) for marker in markers[:-1]):
        return _none("conflicting_verdicts")
    return ParsedVerdict(verdict, None, reasoning)


def _parse_plain(text: str) -> ParsedVerdict:
    if OPEN in text or CLOSE in text:
        return _none("unexpected_tag")
    marker = _last_marker(text)
    if marker is None:
        return _none("no_marker")
    reasoning = text[: marker.start()]
    if not _is_visible(reasoning):
        return _none("empty_reasoning")
    verdict, reason = _closing_verdict(text, marker.end())
    return ParsedVerdict(verdict, reason, reasoning if verdict else "")


def reasoning_of(text: str) -> str:
    """The reasoning of a reference or of a response whose format may be broken, for its length alone.

    Between the first ``<think>`` and the last ``</think>`` if both stand in order, else before the last ``Answer:``
    marker, else the whole text.
    """
    start, close = text.find(OPEN), text.rfind(CLOSE)
    if 0 <= start < close:
        return text[start + len(OPEN) : close]
    marker = _last_marker(text)
    return text if marker is None else text[: marker.start()]


def _none(reason: Reason) -> ParsedVerdict:
    return ParsedVerdict(None, reason, "")


def _last_marker(text: str) -> re.Match[str] | None:
    return max(_MARKER.finditer(text), key=re.Match.start, default=None)


def _verdict_at(text: str, position: int) -> tuple[Verdict | None, int]:
    """The verdict that follows directly, and where it ends."""
    match = _VERDICT.match(text, position)
    if match is None:
        return None, position
    return ("not entailed" if match["negation"] else "entailed"), match.end()


def _closing_verdict(text: str, position: int) -> tuple[Verdict | None, Reason | None]:
    """The verdict after the last marker, which must close the response."""
    verdict, end = _verdict_at(text, position)
    if verdict is None:
        return None, "unknown_verdict"
    rest = text[end:]
    if "<" in rest:
        for token in END_OF_TURN:
            rest = rest.replace(token, " ")
    rest = rest.strip(_CLOSING)
    if all(character.isspace() or unicodedata.category(character)[0] == "P" for character in rest):
        return verdict, None
    return None, "trailing_text"


def _is_visible(text: str) -> bool:
    """Whether anything but whitespace, control and format characters (zero-width space, BOM) stands in a text."""
    return any(not character.isspace() and unicodedata.category(character)[0] != "C" for character in text)
