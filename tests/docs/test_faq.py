"""Messages that the FAQ quotes are messages that the code gives."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faq.md").read_text()
STARTS = re.findall(r"^\*\*(.+?)\*\*", PAGE, flags=re.MULTILINE)
# Starts that quote a command name it, and no message.
QUOTED = [
    code for start in STARTS for code in re.findall(r"`([^`]+)`", start) if not re.match(r"(dvc|mlflow|kedro|--)", code)
]


@cache
def messages() -> str:
    """Every string of the package, and the Makefile, without quotes."""
    texts = [(ROOT / "Makefile").read_text()]
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def said(quote: str) -> bool:
    """Whether a message has the quoted words in their order; names and numbers may stand for what is filled in."""
    literal = re.compile(r"[a-zA-Z][\w.]*[=.][\w./]+|\b\d[\d.]*\b|…|\b\w+(?:/\w+)+\b")
    known = messages()
    if quote in known:
        return True
    fixed = [part.strip(" ,;?:./") for piece in literal.split(quote) for part in re.split("[;:,?]", piece)]
    fixed = [part for part in fixed if re.search(r"[a-z]", part)]
    return bool(fixed) and all(any(phrase in known for phrase in _with_a_name_filled_in(part)) for part in fixed)


def _with_a_name_filled_in(part: str) -> list[str]:
    """The words as they are, and without the first or the last, which may be a name that the message fills in."""
    words = part.split(" ")
    return [part, *([" ".join(words[1:]), " ".join(words[:-1])] if len(words) > 2 else [])]


@pytest.mark.parametrize("quote", QUOTED)
def test_a_quoted_message_is_in_the_code(quote):
    assert said(quote), quote


def test_what_nobody_says_is_noticed():
    assert len(QUOTED) > 6
    assert not said("the moon is out of order")
    assert not said("rl.steps: the moon is 3 miles away")
