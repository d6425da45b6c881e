"""What of a written answer is said aloud."""

import re
from typing import Final

from soundmind_pipeline.rewards.verdict import END_OF_TURN

CLOSING: Final = "So the answer is {verdict}."
"""How the verdict is spoken: recognisers mishear very short endings ("Answer: entailed." comes back as "tail")."""

_TAGS: Final = re.compile(r"</?think>")
_VERDICT_LINE: Final = re.compile(
    r"(?<![^\W_])answer:[\s\"'`*_“”‘’«»]*(?P<negation>not[\s_-]+)?entailed(?![^\W_])"
    rf"(?:{'|'.join(map(re.escape, END_OF_TURN))}|[\W_])*\Z",
    re.IGNORECASE,
)
_SYMBOLS: Final = {
    "¬": " not ",
    "∧": " and ",
    "∨": " or ",
    "→": " implies ",
    "⇒": " implies ",
    "↔": " if and only if ",
    "⇔": " if and only if ",
    "⊨": " entails ",
    "∀": " for all ",
    "∃": " there exists ",
    "≠": " is not equal to ",
    "≥": " is at least ",
    "≤": " is at most ",
}


def spoken_form(answer: str) -> str:
    """The words of a reference answer or a response, as a voice says them.

    - ``<think>`` and ``</think>`` go; the reasoning between them is spoken.
    - The closing ``Answer: (not) entailed.`` becomes :data:`CLOSING`; an answer without one keeps its ending.
    - Markdown goes, its words stay: emphasis, headings, code marks, links; items of lists and table cells become
      sentences. The numbers of an ordered list are spoken.
    - Signs of logic are spelled out; no sentence is left without its full stop at the end of a line.

    Args:
        answer: Any text.

    Returns:
        One paragraph a line; empty if there is nothing to say.
    """
    text = _TAGS.sub("\n\n", answer.replace("\0", " "))
    verdict = _VERDICT_LINE.search(text)
    if verdict:
        text = text[: verdict.start()].rstrip("*_#> \n")
    lines = _plain_lines(text)
    if verdict:
        lines.append(CLOSING.format(verdict="not entailed" if verdict["negation"] else "entailed"))
    return "\n".join(lines)


def _plain_lines(markdown: str) -> list[str]:
    """The blocks of a Markdown text as plain sentences, in order."""
    from markdown_it import MarkdownIt

    # Answers are prose first: no indented code, no HTML, nothing that swallows words.
    parser = MarkdownIt("commonmark").enable("table").disable(["code", "html_block", "html_inline", "reference"])
    lines: list[str] = []
    number = ""
    for token in parser.parse(markdown):
        if token.type == "list_item_open":
            number = f"{token.info}. " if token.info else ""
        elif token.type in ("inline", "fence"):
            source = [token] if token.type == "fence" else token.children or []
            words = _one_line("".join(" " if child.type.endswith("break") else child.content for child in source))
            if words:
                lines.append(_closed(number + words))
                number = ""
    return lines


def _one_line(text: str) -> str:
    for sign, words in _SYMBOLS.items():
        text = text.replace(sign, words)
    return " ".join(text.split())


def _closed(line: str) -> str:
    """A line that ends as a sentence, so that the voice pauses."""
    return line if re.search(r"[.!?…:;,][\"'”’)\]]*\Z", line) else f"{line}."
