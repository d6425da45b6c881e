"""Lenient verdict extraction, for diagnosis only: what did a response mean whose format is broken?

Rewards and accuracy use the strict parser. The lenient verdict is reported beside them under a version, because its
heuristics may change where the strict grammar may not.
"""

import re
import unicodedata

from soundmind_pipeline.rewards.verdict import CLOSE, Verdict

LENIENT_VERSION = 1
WINDOW = 1000  # characters at the end that are looked at: bounds the cost whatever the length

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−_"), "-")
_ANSWER = re.compile(r"\banswer\b")
_COLON = re.compile(r"[\s\"'`*]*:")
# A negation, up to two words between ("not logically entailed"), then the word; separators and words are disjoint.
_ENTAILED = re.compile(
    r"(?P<negation>(?:\b(?:not|never|cannot|non|no)|n['’]t)(?:[\s\"'`*-]+[a-z]+){0,2}?[\s\"'`*-]+)?\bentailed\b"
    r"|(?P<un>\bunentailed\b)"
)


def parse_verdict_lenient(text: str) -> Verdict | None:
    """The verdict that a careful reader would take from the end of a response; None if there is none or two.

    Looks at the last 1,000 characters, from the last ``</think>`` on, with compatibility forms, case, dashes and
    invisible characters normalised. After the last "answer" all verdicts up to the end must agree, and "answer:" must
    be followed by one; without that word the last verdict phrase counts. "not", "n't", "cannot", "never", "non-" up to
    two words before "entailed" negate it.

    Args:
        text: The response, any string.

    Returns:
        The verdict, or None. Wherever the strict parser finds a verdict, prefer that one.
    """
    close = text.rfind(CLOSE)
    start = max(close + len(CLOSE) if close >= 0 else 0, len(text) - WINDOW)
    tail = _normalised(text[start:])
    answers = list(_ANSWER.finditer(tail))
    after_answer = [_polarity(match) for match in _ENTAILED.finditer(tail, answers[-1].end())] if answers else []
    if after_answer:
        return after_answer[0] if len(set(after_answer)) == 1 else None
    if answers and _COLON.match(tail, answers[-1].end()):
        return None  # "Answer: unknown" is an answer, whatever was said before it
    phrases = [_polarity(match) for match in _ENTAILED.finditer(tail)]
    return phrases[-1] if phrases else None


def _normalised(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).lower().translate(_DASHES)
    if folded.isascii():
        return folded
    return "".join(character for character in folded if unicodedata.category(character) != "Cf")


def _polarity(match: re.Match[str]) -> Verdict:
    return "not entailed" if match["negation"] or match["un"] else "entailed"
