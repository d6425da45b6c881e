import re
from html.parser import HTMLParser

import pytest

from soundmind_pipeline.audit.page import render_page
from soundmind_pipeline.audit.run import audit_files

EVIL = "<script>alert(1)</script><img src=x onerror=y> {{ 7*7 }} {% x %} & \"q\" 'q' \x1b[31m"


class Checker(HTMLParser):
    """Collects tags and attributes, and checks that elements are closed."""

    VOID = ("meta", "br", "path", "use", "rect")

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.open = set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture
def page(tmp_path, make_annotation, make_prompt, write_rows):
    evil = make_annotation(user_content=make_prompt(EVIL, EVIL, EVIL), answer="x" + EVIL, id=EVIL)
    bad = make_annotation(label=EVIL)
    conflict = make_annotation(label=1, verdict="not-entailed", id=EVIL)
    dev = write_rows(tmp_path / "d&<b>.jsonl", evil, evil, bad, "nope <i>", conflict, make_annotation(answer_seconds=9))
    test = write_rows(tmp_path / "test.jsonl", evil, make_annotation(user_content=EVIL, label=0))
    source = {"label": 1, "major_premise": [EVIL], "minor_premise": EVIL, "conclusion": EVIL}
    logiqa = write_rows(tmp_path / "logiqa.txt", source, "<u>")
    return render_page(*audit_files({"dev": dev, "test": test}, [logiqa]))


def test_everything_is_escaped(page):
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert not checker.tags & {"script", "img", "link", "iframe", "object", "i", "u", "b"}
    assert not [name for name, _ in checker.attributes if name.startswith("on")]
    assert "&lt;script&gt;" in page and "{{ 7*7 }}" in page and "\x1b" not in page


def test_nothing_comes_from_outside(page):
    checker = Checker()
    checker.feed(page)
    links = [value for name, value in checker.attributes if name in ("src", "href", "xlink:href", "data")]
    assert all(value.startswith("#") for value in links)
    assert not re.search(r"https?:|@import|url\((?!#)", page)
    assert "prefers-color-scheme: dark" in page


def test_it_shows_what_the_audit_found(page):
    text = re.sub(r"<[^>]+>|\s+", " ", page)
    text = " ".join(text.split())
    assert "6 rows in 2 splits. 1 carry a label" in text
    for part in (
        "Label conflicts 1",
        "Questions in dev and test",
        "Lines that could not be used",
        "not JSON",
        "100.0%",
    ):
        assert part in text


def test_a_long_list_is_cut_and_says_so(tmp_path, make_annotation, make_prompt, write_rows):
    rows = [make_annotation(user_content=make_prompt(f"m{i}"), verdict="not entailed") for i in range(60)]
    page = render_page(*audit_files({"dev": write_rows(tmp_path / "dev.jsonl", *rows)}))
    assert "The first 50 of 60; all of them are in audit.json." in page
    assert page.count("<td>not entailed</td><td>not entailed</td>") == 50
