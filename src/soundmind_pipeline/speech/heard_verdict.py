"""Which verdict a listener takes from what a recogniser wrote down of a spoken answer.

Rules, version :data:`HEARD_VERSION`, on the transcript as Whisper's normaliser leaves it (lower case, no punctuation,
hyphens as spaces, "isn't" as "is not"; see ``word_errors``):

- The closing phrase (``spoken_form.CLOSING``) must be at the end: its last word counts only among the last
  :data:`CLOSING_WORDS` words, so a misheard closing is not replaced by what the reasoning said before; the words behind
  it are room for what recognisers add to silence ("thank you").
- The last "entailed" counts, and only right after "not" or "is". Both verdicts need two words heard, so neither is
  what remains when the other is misheard: "the answer is hot entailed" is no verdict.

The lenient rule takes words for "entailed" that sound like it, phoneme by phoneme, but for an unreleased final d:
"entail", and a prefix in, en, an or and, joined or apart, before tailed, taled, tail, tale, tails, tales. It is
reported beside the strict one and earns nothing. "In detail" and "until" are no such words: they have other sounds.
"""

import re
from typing import Final

from soundmind_pipeline.rewards.verdict import Verdict
from soundmind_pipeline.speech.word_errors import normalise

HEARD_VERSION: Final = 1
"""Of the rules: figures are comparable within one version."""
CLOSING_WORDS: Final = 4
"""Words at the end of a transcript among which the last word of the closing phrase must be: it and three more."""

_STRICT: Final = re.compile(r"\b(?P<link>not|is) entailed\b")
_ENTAILED: Final = re.compile(r"\bentailed\b")
_ALIKE: Final = re.compile(r"\b(?:entails?|(?:in|en|and?) ?(?:tailed|taled|tails?|tales?))\b")


def heard_verdict(transcript: str) -> Verdict | None:
    """The verdict of a spoken answer, from its transcript, by the strict rule.

    Args:
        transcript: Of a whole answer, or of its closing phrase.

    Returns:
        The verdict, or None where no closing verdict was heard. Never raises.
    """
    return _closing(normalise(transcript))


def heard_verdict_lenient(transcript: str) -> Verdict | None:
    """The same with words that sound like "entailed" taken for it; for diagnosis."""
    return _closing(_ALIKE.sub("entailed", normalise(transcript)))


def _closing(words: str) -> Verdict | None:
    last = max(_ENTAILED.finditer(words), key=re.Match.start, default=None)
    if last is None or len(words[last.start() :].split()) > CLOSING_WORDS:
        return None
    match = max(_STRICT.finditer(words), key=re.Match.start, default=None)
    if match is None or match.end() != last.end():
        return None
    return "not entailed" if match["link"] == "not" else "entailed"
