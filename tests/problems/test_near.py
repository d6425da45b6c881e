from hypothesis import given, settings
from hypothesis import strategies as st

from soundmind_pipeline.problems.near import DisjointSets, Match, ShingleIndex, _shingles

TEXTS = st.lists(st.lists(st.sampled_from("abc"), max_size=9).map(" ".join), min_size=1, max_size=12)


def jaccard(left, right):
    a, b = _shingles(left), _shingles(right)
    return len(a & b) / len(a | b) if a or b else 0.0


def test_similarity_by_hand():
    # Shingles of ten words: 8; with the last word changed 7 of 9 are shared.
    ten = "one two three four five six seven eight nine ten"
    texts = [ten, ten[:-3] + "eleven", "One, two, three, four, five, six, seven, eight, nine: TEN!", "", "one two"]
    index = ShingleIndex(texts)
    assert index.nearest([0], [1], threshold=0.7) == {0: Match(1, 7 / 9)}
    assert index.nearest([0], [1], threshold=0.8) == {}
    assert index.nearest([0], [0, 1, 2]) == {0: Match(2, 1.0)}
    assert index.nearest([3, 4], [0, 1, 2, 3, 4]) == {}


@given(TEXTS, st.sampled_from([0.3, 0.5, 0.75, 0.8, 1.0]))
@settings(max_examples=200)
def test_it_finds_what_comparing_all_pairs_finds(texts, threshold):
    everything = range(len(texts))
    found = ShingleIndex(texts).nearest(everything, everything, threshold)
    for probe in everything:
        best = max((jaccard(texts[probe], texts[i]) for i in everything if i != probe), default=0.0)
        if best >= threshold:
            assert abs(found[probe].similarity - best) < 1e-12
            assert found[probe].target != probe
            assert abs(jaccard(texts[probe], texts[found[probe].target]) - best) < 1e-12
        else:
            assert probe not in found


@given(TEXTS, st.sampled_from([0.3, 0.5, 0.75, 0.8, 1.0]))
@settings(max_examples=200)
def test_linked_pairs_link_what_all_pairs_link(texts, threshold):
    found, expected = DisjointSets(len(texts)), DisjointSets(len(texts))
    pairs = list(ShingleIndex(texts).linked_pairs(threshold))
    for one, other in pairs:
        assert one < other and jaccard(texts[one], texts[other]) >= threshold - 1e-9
        found.union(one, other)
    for other in range(len(texts)):
        for one in range(other):
            if jaccard(texts[one], texts[other]) >= threshold:
                expected.union(one, other)
    assert found.members() == expected.members()
    assert len(pairs) == len(texts) - len(expected.members())


def test_disjoint_sets():
    sets = DisjointSets(5)
    for one, other in ((4, 2), (1, 3), (3, 4), (2, 2)):
        sets.union(one, other)
    assert sets.members() == {0: [0], 1: [1, 2, 3, 4]}
    assert sets.find(4) == 1


def test_wording_that_all_texts_share_does_not_make_them_alike():
    frame = " ".join(f"frame{i}" for i in range(60))
    texts = [f"{frame} {' '.join(f'own{n}x{i}' for i in range(12))}" for n in range(1000)]
    texts += [f"{frame} {' '.join(f'own5x{i}' for i in range(12))} so"]
    found = ShingleIndex(texts).nearest(range(1001), range(1001))
    assert set(found) == {5, 1000}
    assert found[5].target == 1000 and found[5].similarity > 0.9
    # Fewer texts have no common wording.
    assert len(ShingleIndex(texts[:20]).nearest(range(20), range(20), 0.6)) == 20


def test_progress_is_told():
    told = []
    ShingleIndex(["a b c d", "e"]).nearest([0, 1], [0, 1], on_probe=told.append)
    assert told == [1, 2]
