import json
import os
import re
from pathlib import Path

import pytest

from soundmind_pipeline.problems.construction.prompts import WORDINGS, prompt_id, word_prompt
from soundmind_pipeline.problems.published.premises import Premises, split_prompt

DEFAULT = Path(__file__).parents[4] / "shared" / "data" / "soundmind"
DEV = Path(os.environ.get("SOUNDMIND_DATA", DEFAULT)) / "dev.jsonl"
TRIPLET = Premises('Every "A" is a B. Some C', "x is an A", "x is a B")


@pytest.mark.parametrize("wording", WORDINGS)
def test_the_triplet_can_be_read_back(wording):
    prompt = split_prompt(word_prompt(TRIPLET, wording))
    assert prompt is not None and prompt.premises == TRIPLET


def test_a_blank_premise_has_no_line():
    text = word_prompt(TRIPLET._replace(major=" "), "published")
    assert "Major premise" not in text and 'setup:\nMinor premise is "x is an A".\nConclusion' in text


@pytest.mark.skipif(not DEV.is_file(), reason="the published dev annotations are not on this machine")
def test_the_published_prompts_are_made_again():
    prompts = [json.loads(line)["user_content"] for line in DEV.read_text(encoding="utf-8").splitlines()]
    assert len(prompts) == 606
    made = [word_prompt(split_prompt(prompt).premises, "published") for prompt in prompts]
    assert sum(one == other for one, other in zip(made, prompts, strict=True)) > 590
    # The rest have a blank inside a quotation mark, which taking the triplet out strips.
    assert [re.sub(r'"\s+|\s+"', '"', one) for one in made] == [re.sub(r'"\s+|\s+"', '"', one) for one in prompts]


def test_the_id_of_a_prompt_follows_its_text():
    assert prompt_id("a", "one") == prompt_id("a", "one") != prompt_id("a", "two")
    assert prompt_id("a", "one").startswith("a@")
