"""The logical triplet inside a SoundMind prompt, and the normal form in which texts are compared."""

import re
import unicodedata
from typing import Final, NamedTuple


class Premises(NamedTuple):
    """What a problem says."""

    major: str
    minor: str
    conclusion: str


class Prompt(NamedTuple):
    """A prompt taken apart."""

    premises: Premises
    template: str
    """The prompt's own wording, the three texts replaced by … and blanks collapsed."""


_NAMES: Final = (r"major\s+premise", r"minor\s+premise", "conclusion")
_QUOTES: Final = {'"': '"', "“": "”", "'": "'", "‘": "’", "«": "»"}
_OPEN: Final = r"(?=[\"“'‘«])"
# As published, the parts open their lines and are quoted; else they must do one or the other, since premises may well
# speak of what "the conclusion is" themselves.
_START: Final = r"^[ \t]*(?:the\s+)?NAME(?:\s+is\b|\s*:)\s*"
_FORMS: Final = (_START + _OPEN, _START, r"\bNAME(?:\s+is\b|\s*:)\s*" + _OPEN)
_MARKERS: Final = tuple(
    tuple(re.compile(form.replace("NAME", name), re.IGNORECASE | re.MULTILINE) for name in _NAMES) for form in _FORMS
)
_TASK: Final = re.compile(r"\byour task is\b", re.IGNORECASE)
_PARAGRAPH: Final = re.compile(r"\n\s*\n")
_WORD: Final = re.compile(r"\w+")


def split_prompt(user_content: str) -> Prompt | None:
    """Take major premise, minor premise and conclusion out of a prompt.

    Understands the published form, ``Major premise is "…".`` and so on, each on a line of its own, and its variants
    ("The major premise is", a colon, other quotation marks, all on one line). Quotation marks inside a premise are
    kept. Linear in the length of the prompt.

    Args:
        user_content: The prompt.

    Returns:
        The triplet with the wording around it, or None if the prompt is of another kind or a part of it is blank.
    """
    for markers in _MARKERS:
        found: list[re.Match[str]] = []
        for marker in markers:
            match = marker.search(user_content, found[-1].end() if found else 0)
            if match is None:
                break
            found.append(match)
        else:
            return _cut(user_content, found)
    return None


def _cut(text: str, markers: list[re.Match[str]]) -> Prompt | None:
    """The texts between the markers, and what is left of the prompt without them."""
    starts = [marker.end() for marker in markers]
    ends = [markers[1].start(), markers[2].start(), _end_of_conclusion(text, markers[2].end())]
    spans = [_unquoted(text, start, end) for start, end in zip(starts, ends, strict=True)]
    premises = Premises(*(text[start:end].strip() for start, end in spans))
    if not all(premises):
        return None
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    around = "…".join(text[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2))
    return Prompt(premises, " ".join(around.split()))


def _end_of_conclusion(text: str, start: int) -> int:
    """Where the closing instructions begin: at the last "Your task is", else at the first empty line."""
    tasks = [match.start() for match in _TASK.finditer(text, start)]
    if tasks:
        return tasks[-1]
    paragraph = _PARAGRAPH.search(text, start)
    return paragraph.start() if paragraph else len(text)


def _unquoted(text: str, start: int, end: int) -> tuple[int, int]:
    """The span within quotation marks, if the part opens with one; else without the closing full stop."""
    closing = _QUOTES.get(text[start : start + 1])
    last = text.rfind(closing, start + 1, end) if closing else -1
    if last > start:
        return start + 1, last
    return start, start + len(text[start:end].rstrip().removesuffix("."))


def normal_form(text: str) -> str:
    """A text as it is compared: compatibility forms unified (NFKC), case folded, blanks collapsed.

    Texts that differ in anything else, punctuation included, are different.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words_of(text: str) -> list[str]:
    """The words of a text in normal form, without punctuation: what near matches and the source are compared by."""
    return _WORD.findall(normal_form(text))
