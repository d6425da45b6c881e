"""Wide problems for the tests: drawn by the generator, and a whole table of every family."""

import random

import pytest

from soundmind_pipeline.problems.params import FamilyMix, SplitCounts, VerifiedParams, WideParams
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.problems.verified.wide.drawing import draw_argument, kinds_of, levels_of
from soundmind_pipeline.problems.verified.wide.forms import FORMS
from soundmind_pipeline.problems.verified.wide.syllogisms import mood_weights

NANO = ("if_then", "only_if", "reversed_if", "either_or", "not_both")
ALL_WIDE = FamilyMix.model_validate(dict.fromkeys(NANO, 0) | dict.fromkeys(FORMS, 1))
WIDE = VerifiedParams(counts=SplitCounts(train=700, dev=70, test=140), families=ALL_WIDE)


def draw_any(seed: int, family: str | None = None, existential_import: bool = False):
    """One problem of any form, kind, structure and sign, of ``family`` if it is given."""
    rng = random.Random(seed)
    options = {"existential_import": existential_import, "negated_sides": rng.choice(("none", "alike", "mixed"))}
    wide = WideParams.model_validate(options)
    family = family or rng.choice(list(FORMS))
    forms = mood_weights(existential_import, False) if family == "syllogism" else FORMS[family]
    form = rng.choice(list(forms))
    structures = rng.choice(list(levels_of(family, form, wide).values()))
    cell = (family, form, rng.choice(kinds_of(family, form)))
    return draw_argument(cell, rng.choice(structures), wide, lambda words: True, rng)


@pytest.fixture(scope="session", name="draw_any")
def draw_any_fixture():
    return draw_any


@pytest.fixture(scope="session")
def params():
    return WIDE


@pytest.fixture(scope="session")
def frame():
    """A table of every wide family; its teacher errs at the default rates."""
    return generate_samples(WIDE)
