"""The prompts of the construction: table 2 of the paper (arXiv 2506.12935), and the wordings made from it.

Table 2 gives three texts: the teacher's system prompt, and what stands before the major premise and behind the
conclusion. Where this module departs from it:

* ``published`` is the wording of the published annotation files, which is not quite table 2: single quotation marks, a
  comma for a colon, no full stop at the end. All 606 dev prompts have it, to the character.
* ``paper`` is table 2's own wording, its slip ("is the conclusion is") included.
* The prompt that asks a language model to rewrite premises is ours: the paper names the step and prints no prompt for
  it, and the published premises are the source's, word for word.
"""

import hashlib
from typing import Final, Literal

from soundmind_pipeline.problems.published.premises import Premises

WordingName = Literal["published", "paper"]

TEACHER_SYSTEM: Final = (
    'Your task is to decide if the conclusion is "entailed" or "not-entailed" based on these premises. You are a wise '
    'person who answers two-choice questions, "entailed" or "not entailed". Use plain text for thought processes and '
    "answers, not markdown or LaTeX. The thought process and response style should be colloquial, which I can then "
    "translate directly into audio using the TTS model. The final output is the Answer, nothing else, and the format "
    'is Answer: YOURANSWER. For example: "Answer: entailed." or "Answer: not entailed." The final answer must contain '
    "nothing else! The thought process should be very complete, careful, and cautious. When you think and generate a "
    "chain of thought, you need to test your answer from various angles."
)
"""Table 2, "System"."""

WORDINGS: Final[dict[WordingName, tuple[str, str]]] = {
    "published": (
        "Let's figure out the logical connection between these premises and the conclusion. You have two choices, "
        "'entailed' means the conclusion must be true based on the given premises, or 'not-entailed' means the "
        "conclusion can't be true based on the premises.\n\nHere's the setup:\n",
        "\n\nYour task is to decide is the conclusion 'entailed' or 'not-entailed' based on these premises",
    ),
    "paper": (
        "Let's figure out the logical connection between these premises and the conclusion. You have two choices: "
        '"entailed" means the conclusion must be true based on the given premises, or "not-entailed" means the '
        "conclusion can't be true based on the premises. Here's the setup:\n",
        '\n\nYour task is to decide is the conclusion is "entailed" or "not-entailed" based on these premises.',
    ),
}
"""What stands before the major premise and behind the conclusion (table 2), by name."""

REWRITE_SYSTEM: Final = (
    "You rewrite the parts of a logic problem into natural spoken English, so that they sound like somebody talking "
    "when a text-to-speech system reads them. Keep every fact, every negation, every quantifier and every condition "
    "exactly; add nothing, drop nothing, draw no conclusion, and never say whether anything follows. Write numbers, "
    "symbols and abbreviations as they are spoken. Use plain text, no markdown. Reply with one JSON object and nothing "
    'else; it holds the keys "major", "minor" and "conclusion", each a text, and an empty text stays empty.'
)
"""Ours: asks a language model for the colloquial form of a triplet."""

_PARTS: Final = (("major", "Major premise"), ("minor", "Minor premise"), ("conclusion", "Conclusion"))


def word_prompt(premises: Premises, wording: WordingName) -> str:
    """The user content of a problem: the wording around the quoted triplet; a blank premise has no line."""
    before, behind = WORDINGS[wording]
    texts = premises._asdict()
    lines = [f'{name} is "{texts[part]}".' for part, name in _PARTS if texts[part].strip()]
    return before + "\n".join(lines) + behind


def prompt_id(name: str, text: str) -> str:
    """A prompt as provenance records it: its name and the first eight hex digits of its SHA-256."""
    return f"{name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"
