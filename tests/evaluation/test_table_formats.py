"""Escaping and layout of tables."""

from html.parser import HTMLParser

import pytest

from soundmind_pipeline.evaluation.number_tables import Cell, Column, Line, NumberTable
from soundmind_pipeline.evaluation.table_formats import escape_latex, to_csv, to_html, to_latex


@pytest.fixture
def table():
    columns = (Column("paper", "accuracy"), Column("ours", "accuracy"))
    cells = (Cell(0.5, "share", 2), Cell(0.25, "share", 1, (0.1, 0.4), r"a.b\.c", "a.ci95"))
    lines = (
        Line("50% & <more>", cells, emphasis=True),
        Line("a loss-maker", (Cell(None, "share"), Cell(-0.05, "points", 1, (-0.1, 0.02)))),
    )
    return NumberTable("table_9", "what_is {here}", columns, lines, ("Note #1.", "λ3 → 0"))


def test_latex_is_escaped(table):
    text = to_latex(table)
    assert r"\textbf{50\% \& \textless{}more\textgreater{}} & 50.00\% & 25.0\% {\footnotesize [10.0, 40.0]} \\" in text
    assert r"a loss-maker & -- & $-$5.0 {\footnotesize [$-$10.0, +2.0]} \\" in text
    assert r"\caption{What\_is \{here\} (the paper's table 9). Note \#1. $\lambda$3 $\rightarrow$ 0}" in text
    assert r"\multicolumn{1}{c}{paper} & \multicolumn{1}{c}{this run}" in text
    assert r"\cmidrule(lr){2-2} \cmidrule(lr){3-3}" in text
    assert escape_latex("run --pipeline") == "run -{}-pipeline"
    assert escape_latex("\\~^") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}"


def test_csv_has_raw_values(table):
    assert to_csv(table) == (
        "row,paper_accuracy,ours_accuracy,ours_accuracy_low,ours_accuracy_high\n"
        "50% & <more>,0.5,0.25,0.1,0.4\n"
        "a loss-maker,,-0.05,-0.1,0.02\n"
    )


def test_html_is_escaped_and_carries_origins(table):
    text = to_html(table)
    assert "50% &amp; &lt;more&gt;" in text
    assert r'<data data-key="a.b\.c" value="0.25">25.0%</data>' in text
    assert '<data data-key="a.ci95" value="0.1 0.4">[10.0, 40.0]</data>' in text
    assert '<data data-table="table_9" value="0.5">50.00%</data>' in text
    open_tags = []

    class Nesting(HTMLParser):
        def handle_starttag(self, tag, attributes):
            open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Nesting().feed(text)
    assert open_tags == []
