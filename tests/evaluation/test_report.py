"""The report: whole, self-contained, and in agreement with the evaluation."""

import re
from html.parser import HTMLParser

import pytest

from soundmind_pipeline.evaluation.examples import choose_examples
from soundmind_pipeline.evaluation.report import mark_changes

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
        if tag == "data":
            self.ours = "data-key" in attributes  # the others are the paper's, or of the data
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
        if self.open and self.open[-1] == "data" and self.ours:
            self.numbers[-1][2] += data


@pytest.fixture(scope="module")
def html(render, evaluation, predictions, samples, waves):
    """The report of a run with both policies, two controls and nothing spoken."""
    return render(evaluation, predictions, choose_examples(predictions, samples, waves, 6))


def look_up(evaluation, key):
    for part in re.split(r"(?<!\\)\.", key):
        evaluation = evaluation[part.replace(r"\.", ".")]
    return evaluation


def test_it_is_a_page_with_players_figures_and_tables(html, whole_report):
    page = Page(html)
    assert page.tags.count("audio") == 6
    assert page.tags.count("svg") == 8  # the paper's figure 4 among them, nothing sampled
    assert html.startswith("<!doctype html>")
    whole = Page(whole_report)
    spoken = whole_report.count('class="transcript"')
    assert spoken > 0 and whole.tags.count("audio") == 8 + spoken
    assert whole.tags.count("svg") == 9
    assert whole.tags.count("table") > page.tags.count("table")


@pytest.mark.parametrize("name", ["html", "whole_report"])
def test_it_needs_nothing_from_elsewhere(request, name):
    html = request.getfixturevalue(name)
    page = Page(html)
    assert all(reference.startswith(("data:audio/wav;base64,", "data:audio/mpeg;base64,", "#"))
               for reference in page.references)  # fmt: skip
    without_audio = re.sub(r"data:audio/[a-z]+;base64,[A-Za-z0-9+/=]*", "", html)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", without_audio)
    assert "script" not in page.tags


def test_links_lead_somewhere(whole_report):
    page = Page(whole_report)
    targets = set(re.findall(r'id="([^"]+)"', whole_report))
    links = [reference[1:] for reference in page.references if reference.startswith("#")]
    assert len(links) > 6 and set(links) <= targets


@pytest.mark.parametrize(
    ("name", "source", "least"), [("html", "evaluation", 150), ("whole_report", "whole_evaluation", 500)]
)
def test_every_number_is_the_evaluations(request, name, source, least):
    evaluation = request.getfixturevalue(source)
    numbers = Page(request.getfixturevalue(name)).numbers
    assert len(numbers) > least
    for key, raw, shown in numbers:
        value = look_up(evaluation, key)
        values = value if isinstance(value, list) else [value]
        assert [float(part) for part in raw.split()] == pytest.approx(values, abs=0), key
        plain = re.sub(r"(?<=\d),(?=\d{3})", "", shown)  # thousands
        decimals = [float(part) for part in re.findall(r"[-+]?\d+(?:\.\d+)?", plain)]
        scale = 100 if "%" in shown or "[" in shown or "difference" in key or "gap" in key else 1
        # Half a unit of the last place shown.
        places = len(re.findall(r"\.(\d+)", shown)[0]) if "." in shown else 0
        assert decimals == pytest.approx([scale * part for part in values], abs=0.5 * 10**-places + 1e-9), (key, shown)


@pytest.mark.parametrize(
    "key",
    [
        *(f"policies.{p}.{s}.accuracy" for p in ("sft", "rl") for s in ("audio_to_text", "text_to_text")),
        *(f"policies.rl.audio_to_text.{name}" for name in ("reward", "format_valid", "heard", "reward_terms.answer")),
        "policies.rl.audio_to_text.confusion.entailed.not entailed",
        "policies.rl.audio_to_text.by_difficulty.1.accuracy",
        "paired.audio_to_text.difference",
        "paired.text_to_text.ci95",
        "controls.silence.accuracy",
        "controls.shuffled.accuracy",
        "shortcuts.connective_and_signs",
        "policies.sft.audio_to_text.by_form.AC.accuracy",
        "audio_grounding_gap",
        "audio_grounding.ci95",
        "teacher.sampled_teacher",
    ],
)
def test_it_shows(html, key):
    assert f'data-key="{key}"' in html


@pytest.mark.parametrize(
    "key",
    [
        "policies.rl.audio_text_to_text.accuracy_lenient",
        "policies.rl.text_to_audio.spoken.wer",
        "policies.sft.audio_to_audio.spoken.accuracy_heard.accuracy",
        "policies.rl.audio_to_audio.spoken.heard_as_written_ci95",
        r"policies.rl.audio_to_text.by_duration.10\.0–12\.5 s.accuracy",
        "controls.noise_0db.accuracy",
        "controls.other_voice.gap",
        r"baselines.cascade: tiny\.en + rl.audio_to_text.against_rl.difference",
        r"compared.before v0\.2/predictions.rl.audio_to_text.ci95",
        "sampled.rl.audio_to_text.pass_at.8.value",
        "sampled.sft.text_to_text.majority_at.1.ci95",
    ],
)
def test_it_shows_what_a_whole_evaluation_has(whole_report, html, key):
    assert f'data-key="{key}"' in whole_report
    assert f'data-key="{key}"' not in html


def test_it_has_the_papers_tables_beside_ours(html, whole_report):
    for n in range(3, 8):
        assert html.count(f'id="table_{n}"') == 1
    for shown in ("81.40%", "58.23%", "8.95%", "48.84%", "608.42"):
        assert f">{shown}</data>" in html
    assert "kedro run --pipeline=ablation" in html
    assert "kedro run --pipeline=ablation" not in whole_report
    assert "cannot be subtracted" in html
    assert "because &amp; so" in whole_report
    answers = re.findall(r'<span class="badge \w+">(yes|no|open)</span>', whole_report)
    assert answers == ["yes", "no", "open"]


def test_slices_stand_in_the_order_of_their_numbers(whole_report):
    table = whole_report[whole_report.index("<th>duration</th>") :]
    assert table.index("2.1–3.0 s") < table.index("10.0–12.5 s")


def test_answers_carry_their_verdict(html, predictions, samples, waves):
    examples = choose_examples(predictions, samples, waves, 6)
    rights = sum(example.before.right + example.after.right for example in examples)
    assert html.count('class="answer is-right"') == rights
    assert html.count('class="answer is-wrong"') == 12 - rights
    text = " ".join("".join(Page(html).text).split())
    for example in examples:
        assert f"“{example.question}”" in text
        assert example.reference.replace("<think>", "").split()[0] in text


def test_each_kind_of_example_can_be_chosen(whole_report):
    labels = dict(re.findall(r'for="(kind-\d)">([^<]+?) <span class="faint">(?:\d+)', whole_report))
    counts = dict(re.findall(r'for="(kind-\d)">[^<]+? <span class="faint">(\d+)', whole_report))
    assert labels.pop("kind-0") == "all" and counts.pop("kind-0") == "8"
    assert set(labels.values()) <= {"spoilt by RL", "wrong both times", "corrected by RL", "right both times"}
    for kind, count in counts.items():
        assert whole_report.count(f'class="example {kind}"') == int(count)
        assert f"#{kind}:checked ~ .example:not(.{kind})" in whole_report


def test_answers_cannot_break_out_of_the_page(render, evaluation, predictions, samples, waves):
    nasty = predictions.assign(response="<script>alert(1)</script> Answer: <b>entailed")
    html = render(evaluation, nasty, choose_examples(nasty, samples, waves, 2))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;&amp;" in html  # a setting


def test_it_does_without_controls_and_examples(render, evaluation, predictions):
    bare = {**evaluation, "controls": {}, "audio_grounding": None, "audio_grounding_gap": None, "shortcuts": {}}
    page = Page(render({**bare, "teacher": {}}, predictions, []))
    assert "audio" not in page.tags
    assert not any(key.startswith(("controls", "shortcuts", "audio_grounding")) for key, _, _ in page.numbers)


NEWER = ("audio_grounding", "sampled", "baselines", "compared")
NEWER_FIGURES = ("length_ratio", "confusion", "by_difficulty", "by_duration", "by_answer_duration")


def test_it_does_without_what_an_older_evaluation_lacks(render, evaluation, predictions):
    cells = {
        policy: {
            setting: {name: value for name, value in cell.items() if name not in NEWER_FIGURES}
            for setting, cell in settings.items()
        }
        for policy, settings in evaluation["policies"].items()
    }
    older = {name: value for name, value in evaluation.items() if name not in NEWER} | {"policies": cells}
    page = Page(render(older, predictions, []))
    assert len(page.numbers) > 100
    assert not any(key.split(".")[0] in NEWER for key, _, _ in page.numbers)
    assert not any(part in key for key, _, _ in page.numbers for part in NEWER_FIGURES)


def test_marks_stand_where_a_text_parts_from_the_reference():
    reference, text = "it gives anna so it follows.", "it gives nothing so it does not follow."
    assert mark_changes(reference, text) == [
        ("it gives", False), ("nothing", True), ("so it", False), ("does not follow.", True),
    ]  # fmt: skip
    assert mark_changes("anna is not rich", "anna is rich") == [("anna is", False), ("…", True), ("rich", False)]
    assert mark_changes("the same", "the same") == [("the same", False)]
