"""The 256 moods against the textbook and against every world one by one."""

import itertools

import pytest

from soundmind_pipeline.problems.verified.wide.categorical import find_countermodel, holds
from soundmind_pipeline.problems.verified.wide.syllogisms import MOODS, Mood, form_of, is_valid, mood_weights

# Barbara, Celarent, Darii, Ferio; Cesare, Camestres, Festino, Baroco; Datisi, Disamis, Ferison, Bocardo; Calemes,
# Dimatis, Fresison
UNCONDITIONAL = {
    *(("AAA", 1), ("EAE", 1), ("AII", 1), ("EIO", 1), ("EAE", 2), ("AEE", 2), ("EIO", 2), ("AOO", 2)),
    *(("AII", 3), ("IAI", 3), ("EIO", 3), ("OAO", 3), ("AEE", 4), ("IAI", 4), ("EIO", 4)),
}
# Barbari, Celaront; Cesaro, Camestros; Darapti, Felapton; Bamalip, Calemos, Fesapo
WITH_IMPORT = {
    *(("AAI", 1), ("EAO", 1), ("EAO", 2), ("AEO", 2), ("AAI", 3), ("EAO", 3), ("AAI", 4), ("AEO", 4), ("EAO", 4)),
}


def test_the_valid_moods_are_the_textbooks():
    assert len(MOODS) == 256 and len(UNCONDITIONAL) == 15 and len(WITH_IMPORT) == 9
    assert {tuple(mood) for mood in MOODS if is_valid(mood, False)} == UNCONDITIONAL
    assert {tuple(mood) for mood in MOODS if is_valid(mood, True)} == UNCONDITIONAL | WITH_IMPORT


@pytest.mark.parametrize("existential_import", [False, True])
def test_regions_decide_what_every_world_would(existential_import):
    """All 256 sets of inhabited regions of three classes, each world evaluated statement by statement."""
    regions = [tuple(i for i in range(3) if number >> i & 1) for number in range(8)]
    worlds = [
        world
        for size in range(9)
        for world in itertools.combinations(regions, size)
        if not existential_import or {index for region in world for index in region} == {0, 1, 2}
    ]
    for mood in MOODS:
        refuting = [
            world for world in worlds if all(holds(p, world) for p in mood.premises) and not holds(mood.claim, world)
        ]
        found = find_countermodel(mood.premises, mood.claim, 3, existential_import)
        assert (found is None) == (not refuting)
        if found is not None:
            assert set(found) in map(set, refuting)


@pytest.mark.parametrize(
    ("mood", "form"),
    [
        (Mood("AAA", 1), "VS"),
        (Mood("AAA", 2), "UM"),
        (Mood("AEE", 1), "IA"),
        (Mood("AAA", 3), "II"),
        (Mood("EEE", 1), "EP"),
        (Mood("OOO", 4), "EP"),
        (Mood("AEA", 2), "AN"),
        (Mood("AAO", 1), "NA"),
        (Mood("AAI", 1), "EF"),
        (Mood("III", 1), "UM"),
    ],
)
def test_fallacies_are_named(mood, form):
    assert form_of(mood, False) == form


def test_every_fallacy_of_existence_is_one_of_import():
    existential = {tuple(mood) for mood in MOODS if form_of(mood, False) == "EF"}
    assert existential == WITH_IMPORT
    assert not any(form_of(mood, True) == "EF" for mood in MOODS)


@pytest.mark.parametrize("existential_import", [False, True])
def test_matched_moods_have_the_same_letters_on_both_sides(existential_import):
    weights = mood_weights(existential_import, True)
    letters = {True: {}, False: {}}
    for form, moods in weights.items():
        for mood, weight in moods.items():
            side = letters[form == "VS"]
            side[mood.letters] = side.get(mood.letters, 0) + weight
    assert letters[True] == pytest.approx(letters[False])
    assert sum(letters[True].values()) == pytest.approx(1)
    assert "EIO" not in letters[True]  # valid in every figure


def test_without_matching_every_mood_weighs_the_same():
    weights = mood_weights(False, False)
    assert sum(map(len, weights.values())) == 256
    assert set(weights["VS"].values()) == {1 / 15}
    assert {weight for form, moods in weights.items() if form != "VS" for weight in moods.values()} == {1 / 241}
