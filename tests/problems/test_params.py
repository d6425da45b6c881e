"""Ranges of the generator's parameters."""

import pytest
from pydantic import ValidationError

from soundmind_pipeline.problems.params import FallacyRates, FamilyMix, SplitCounts, VerifiedParams, WideParams
from soundmind_pipeline.problems.verified.families import FALLACIES, FAMILIES
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.problems.verified.wide.forms import FORMS


@pytest.mark.parametrize(
    ("update", "named"),
    [
        ({"sead": 1}, "sead"),
        ({"seed": -1}, "seed"),
        ({"counts": {"test": 0}}, "counts.test"),
        ({"families": {"if_then": -1}}, "families.if_then"),
        ({"families": dict.fromkeys(FamilyMix.model_fields, 0)}, "families"),
        ({"fallacies": {"AC": 1.5}}, "fallacies.AC"),
        ({"fallacies": {"MP": 0.5}}, "fallacies.MP"),
        ({"conditional_claims": {"valid": "often"}}, "conditional_claims.valid"),
        ({"names": ("Tom", "anna")}, "names"),
        ({"names": ("tom",)}, "names"),
        ({"names": ("tom", "tom")}, "names"),
        ({"adjectives": ("happy", "nothing")}, "adjectives"),  # a word of the chain of thought
        ({"dev_share": 0}, "dev_share"),
        ({"families": {"sorites": 1}}, "families.sorites"),
        ({"families": {"chain": -1}}, "families.chain"),
        ({"fallacies": {"UM": 2}}, "fallacies.UM"),
        ({"wide": {"levels": ()}}, "wide.levels"),
        ({"wide": {"levels": (0, 0)}}, "wide.levels"),
        ({"wide": {"levels": (1, -1)}}, "wide.levels"),
        ({"wide": {"max_distractors": 4}}, "wide.max_distractors"),
        ({"wide": {"negated_sides": "some"}}, "wide.negated_sides"),
        ({"wide": {"classes": ("poet", "nurse")}}, "wide.classes"),
        ({"wide": {"verbs": ("like",) * 12}}, "wide.verbs"),
        ({"wide": {"places": ("Club",)}}, "wide.places"),
        ({"wide": {"claims": {"valid": 2}}}, "wide.claims.valid"),
    ],
)
def test_a_bad_value_is_refused_and_named(update, named):
    with pytest.raises(ValidationError) as caught:
        VerifiedParams.model_validate(update)
    assert named in [".".join(map(str, error["loc"])) for error in caught.value.errors()]


def test_a_word_cannot_be_name_and_adjective():
    with pytest.raises(ValidationError, match="both a name and an adjective: rich"):
        VerifiedParams(names=("rich", "tom"))


def test_yaml_style_input_is_taken():
    params = VerifiedParams.model_validate({"names": ["tom", "anna"], "counts": {"train": 10}, "fallacies": {"AC": 1}})
    assert params.names == ("tom", "anna") and params.counts.train == 10 and params.counts.dev == 200
    assert params.fallacies.AC == 1.0


def test_the_tables_of_forms_and_the_parameters_name_the_same_things():
    assert set(FamilyMix.model_fields) == {*FAMILIES, *FORMS}
    wide = {form for forms in FORMS.values() for form, shape in forms.items() if not shape.valid}
    assert set(FallacyRates.model_fields) == {*FALLACIES, *wide}


def test_the_shortest_lexicons_are_enough_for_the_longest_problems():
    letters = "abcdefghijkl"
    shortest = {
        "names": [f"n{c}" for c in letters[:4]],
        "adjectives": [f"q{c}" for c in letters[:8]],
        "classes": [f"k{c}" for c in letters[:10]],
        "verbs": [f"v{c}" for c in letters[:10]],
        "places": ["club"],
    }
    wide = WideParams.model_validate(shortest | {"levels": [0] * 7 + [1]})
    mix = dict.fromkeys(FamilyMix.model_fields, 0) | dict.fromkeys(FORMS, 1)
    frame = generate_samples(
        VerifiedParams(families=FamilyMix(**mix), wide=wide, counts=SplitCounts(train=70, dev=7, test=14))
    )
    assert frame["difficulty"].max() == 8 and len(frame) == 91
