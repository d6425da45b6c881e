import json
import os
import re
from pathlib import Path

import pytest

from soundmind_pipeline.speech.spoken_form import spoken_form

DEFAULT = Path(__file__).parents[3] / "shared" / "data" / "soundmind"
ANNOTATIONS = Path(os.environ.get("SOUNDMIND_DATA", DEFAULT)) / "dev.jsonl"


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        (
            "<think> tom is sad. it follows. </think> Answer: entailed.",
            "tom is sad. it follows.\nSo the answer is entailed.",
        ),
        ("It fails.\n\nAnswer: not-entailed.", "It fails.\nSo the answer is not entailed."),
        ("It fails. ANSWER: **Not Entailed**!", "It fails.\nSo the answer is not entailed."),
        ('It fails.\n**Answer:** "not entailed".', "It fails.\nSo the answer is not entailed."),
        ("It fails.\nAnswer: «not entailed».</s> <|im_end|>\n", "It fails.\nSo the answer is not entailed."),
        ("Answer: entailed. Or so it seemed.", "Answer: entailed. Or so it seemed."),
        (
            "The answer: entailed? No.\nAnswer: not entailed",
            "The answer: entailed? No.\nSo the answer is not entailed.",
        ),
        ("My reanswer: entailed.", "My reanswer: entailed."),
        ("no verdict at all", "no verdict at all."),
        ("Answer: entailed.", "So the answer is entailed."),
        ("", ""),
    ],
)
def test_the_verdict_is_spoken_as_a_sentence(written, spoken):
    assert spoken_form(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Major premise**: it is *so*, `p` holds.", "Major premise: it is so, p holds."),
        ("### Step 1\nLook it up.", "Step 1.\nLook it up."),
        ("First:\n- tom is sad\n- anna is rich;\n", "First:\ntom is sad.\nanna is rich;"),
        ("1. tom is sad\n2. anna is rich.\n\n   And more.", "1. tom is sad.\n2. anna is rich.\nAnd more."),
        ("see [the premise](http://x.y) twice", "see the premise twice."),
        ("| if | then |\n|---|---|\n| p | q |", "if.\nthen.\np.\nq."),
        ("one line\nand the same", "one line and the same."),
        ("    indented is prose too", "indented is prose too."),
        ("```\np -> q\n```", "p -> q."),
        ("a * b and snake_case stay, 2 < 3 > 1", "a * b and snake_case stay, 2 < 3 > 1."),
        ("<b>tags</b> of others stay", "<b>tags</b> of others stay."),
        ('He said "so."', 'He said "so."'),
        ("¬p ∧ q → r ∨ ∀x", "not p and q implies r or for all x."),
        ("a\0b", "a b."),
        ("---\n\nrule", "rule."),
    ],
)
def test_markdown_goes_and_its_words_stay(written, spoken):
    assert spoken_form(written) == spoken


def test_no_word_of_the_published_answers_is_lost():
    if not ANNOTATIONS.is_file():
        pytest.skip(f"the published dev annotations are not at {ANNOTATIONS}; set SOUNDMIND_DATA to their folder")
    signs = re.compile(r"[¬∧∨→⇒↔⇔⊨∀∃≠≥≤]")
    for line in ANNOTATIONS.read_text(encoding="utf-8").splitlines():
        answer = json.loads(line)["answer"]
        reasoning, _, verdict = answer.rpartition("Answer:")
        spoken, _, closing = spoken_form(answer).rpartition("\n")
        assert closing == f"So the answer is {'not ' if 'not' in verdict else ''}entailed."
        assert signs.search(answer) or re.findall(r"\w+", spoken) == re.findall(r"\w+", reasoning)
