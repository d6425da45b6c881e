"""The report: whole, self-contained, and in agreement with the evaluation."""

import re
from html.parser import HTMLParser

import pytest

from soundmind_pipeline.evaluation.examples import choose_examples
from soundmind_pipeline.evaluation.figures import draw_accuracy, draw_forms, draw_learning_curves
from soundmind_pipeline.evaluation.report import mark_changes, render_report

VOID = {"meta", "br", "img", "input", "link", "hr", "source"}
LOADS = {"src", "href", "data", "poster", "srcset", "action"}


class Page(HTMLParser):
    """Collects tags, references, figures with their keys, and complains about tags that do not nest."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.references, self.numbers, self.text = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        attributes = dict(attributes)
        self.references += [value for name, value in attributes.items() if name in LOADS]
        if "data-key" in attributes:
            self.numbers.append([attributes["data-key"], attributes["value"], ""])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in LOADS]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] == "data":
            self.numbers[-1][2] += data


def render(evaluation, examples, histories):
    figures = {
        "curves": draw_learning_curves(*histories),
        "accuracy": draw_accuracy(evaluation),
        "forms": draw_forms(evaluation),
    }
    return render_report(evaluation, figures, examples, {"rl": {"rl.steps": 30, "rl.note": "<b>&"}})


@pytest.fixture(scope="module")
def html(evaluation, predictions, samples, waves, histories):
    return render(evaluation, choose_examples(predictions, samples, waves, 6), histories)


def look_up(evaluation, key):
    for part in key.split("."):
        evaluation = evaluation[part]
    return evaluation


def test_it_is_a_page_with_players_figures_and_tables(html):
    page = Page(html)
    assert page.tags.count("audio") == 6
    assert page.tags.count("svg") == 3
    assert page.tags.count("table") >= 4
    assert html.startswith("<!doctype html>")


def test_it_needs_nothing_from_elsewhere(html):
    page = Page(html)
    assert all(reference.startswith(("data:audio/wav;base64,", "#")) for reference in page.references)
    assert sum(reference.startswith("data:audio/wav") for reference in page.references) == 6
    without_audio = re.sub(r"data:audio/wav;base64,[A-Za-z0-9+/=]*", "", html)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", without_audio)
    assert "script" not in page.tags


def test_every_number_is_the_evaluations(html, evaluation):
    numbers = Page(html).numbers
    assert len(numbers) > 80
    for key, raw, shown in numbers:
        value = look_up(evaluation, key)
        values = value if isinstance(value, list) else [value]
        assert [float(part) for part in raw.split()] == pytest.approx(values, abs=0), key
        decimals = [float(part) for part in re.findall(r"[-+]?\d+(?:\.\d+)?", shown)]
        scale = 100 if "%" in shown or "[" in shown or "difference" in key or "gap" in key else 1
        # Half a unit of the last place shown.
        places = len(re.findall(r"\.(\d+)", shown)[0]) if "." in shown else 0
        assert decimals == pytest.approx([scale * part for part in values], abs=0.5 * 10**-places + 1e-9), (key, shown)


@pytest.mark.parametrize(
    "key",
    [
        *(f"policies.{p}.{s}.accuracy" for p in ("sft", "rl") for s in ("audio_to_text", "text_to_text")),
        *(f"policies.rl.audio_to_text.{name}" for name in ("reward", "format_valid", "heard", "reward_terms.answer")),
        "paired.audio_to_text.difference",
        "paired.text_to_text.ci95",
        "controls.silence.accuracy",
        "controls.shuffled.accuracy",
        "shortcuts.connective_and_signs",
        "policies.sft.audio_to_text.by_form.AC.accuracy",
        "audio_grounding_gap",
        "teacher.sampled_teacher",
    ],
)
def test_it_shows(html, key):
    assert f'data-key="{key}"' in html


def test_answers_carry_their_verdict(html, predictions, samples, waves):
    examples = choose_examples(predictions, samples, waves, 6)
    rights = sum(example.before.right + example.after.right for example in examples)
    assert html.count('class="answer is-right"') == rights
    assert html.count('class="answer is-wrong"') == 12 - rights
    text = " ".join("".join(Page(html).text).split())
    for example in examples:
        assert f"“{example.question}”" in text
        assert example.reference.replace("<think>", "").split()[0] in text


def test_answers_cannot_break_out_of_the_page(evaluation, predictions, samples, waves, histories):
    nasty = predictions.assign(response="<script>alert(1)</script> Answer: <b>entailed")
    html = render(evaluation, choose_examples(nasty, samples, waves, 2), histories)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;&amp;" in html  # a setting


def test_it_does_without_controls_and_examples(evaluation, histories):
    bare = {**evaluation, "controls": {}, "audio_grounding_gap": None, "shortcuts": {}, "teacher": {}}
    page = Page(render(bare, [], histories))
    assert "audio" not in page.tags
    assert not any(key.startswith(("controls", "shortcuts")) for key, _, _ in page.numbers)


def test_marks_stand_where_two_texts_part():
    left, right = mark_changes("it gives anna so it follows.", "it gives nothing so it does not follow.")
    assert left == [("it gives", False), ("anna", True), ("so it", False), ("follows.", True)]
    assert right == [("it gives", False), ("nothing", True), ("so it", False), ("does not follow.", True)]
