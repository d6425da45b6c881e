"""Near duplicates: the most similar text by Jaccard similarity of word shingles, exact, without comparing all pairs.

Prefix filtering (Bayardo, Ma, Srikant: "Scaling up all pairs similarity search", WWW 2007): two sets can only reach
the threshold if they share one of their few rarest elements, so each text is compared with those that do, and no other.
"""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from soundmind_pipeline.problems.published.premises import words_of

SHINGLE_WORDS: Final = 3
THRESHOLD: Final = 0.8
COMMON_SHARE: Final = 0.2
"""Shingles in more than this share of the texts are wording that all prompts have in common, and are left out."""
COMMON_TEXTS: Final = 100
"""Fewest texts in which anything counts as common wording."""


class Match(NamedTuple):
    """The most similar of the texts that were looked through."""

    target: int
    similarity: float
    """Jaccard similarity of the two sets of shingles, at least the threshold."""


class DisjointSets:
    """Positions 0 … ``size`` - 1, each in a set of its own until sets are united."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def find(self, place: int) -> int:
        """The position that stands for the set of ``place``: its smallest."""
        parents = self._parents
        while parents[place] != place:
            parents[place] = place = parents[parents[place]]
        return place

    def union(self, one: int, other: int) -> None:
        """Make one set of the sets of two positions."""
        first, second = sorted((self.find(one), self.find(other)))
        self._parents[second] = first

    def members(self) -> dict[int, list[int]]:
        """The positions of each set, by the one that stands for it."""
        sets: dict[int, list[int]] = defaultdict(list)
        for place in range(len(self._parents)):
            sets[self.find(place)].append(place)
        return dict(sets)


class ShingleIndex:
    """Texts as sets of word shingles (three words in a row, in normal form, without punctuation).

    Args:
        texts: The texts, known by their position from now on; a text without words is like no other.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        shingled = [_shingles(text) for text in texts]
        frequency = Counter(shingle for shingles in shingled for shingle in shingles)
        if len(shingled) >= COMMON_TEXTS:
            common = {shingle for shingle, count in frequency.items() if count > COMMON_SHARE * len(shingled)}
            shingled = [shingles - common for shingles in shingled]
        # Rarest first, ties by the shingle itself: the order does not depend on the run.
        ranks = {shingle: rank for rank, shingle in enumerate(sorted(frequency, key=lambda s: (frequency[s], s)))}
        self._records = [array("I", sorted(ranks[shingle] for shingle in shingles)) for shingles in shingled]

    def nearest(
        self,
        probes: Sequence[int],
        targets: Sequence[int],
        threshold: float = THRESHOLD,
        on_probe: Callable[[int], object] | None = None,
    ) -> dict[int, Match]:
        """The most similar target of each probe that has one at or above the threshold.

        Args:
            probes: Positions of texts.
            targets: Positions of texts; a probe is not compared with itself.
            threshold: In (0, 1].
            on_probe: Told how many probes are done.

        Returns:
            Probe → match; of equally similar targets the one that comes first in ``targets``.
        """
        postings: dict[int, list[int]] = defaultdict(list)
        for target in targets:
            for shingle in self._prefix(target, threshold):
                postings[shingle].append(target)
        order = {target: place for place, target in enumerate(targets)}
        matches = {}
        for done, probe in enumerate(probes, start=1):
            candidates = {t for shingle in self._prefix(probe, threshold) for t in postings.get(shingle, ())} - {probe}
            match = self._best(probe, sorted(candidates, key=order.__getitem__), threshold)
            if match is not None:
                matches[probe] = match
            if on_probe is not None:
                on_probe(done)
        return matches

    def linked_pairs(self, threshold: float = THRESHOLD) -> Iterator[tuple[int, int]]:
        """Pairs of texts at or above the threshold, enough of them to link all texts that a chain of pairs links.

        Args:
            threshold: In (0, 1].

        Yields:
            Two positions, the smaller one first; a pair that earlier ones link already is not compared.
        """
        postings: dict[int, list[int]] = defaultdict(list)
        linked = DisjointSets(len(self._records))
        for place, record in enumerate(self._records):
            elements = set(record)
            prefix = self._prefix(place, threshold)
            for other in sorted({earlier for shingle in prefix for earlier in postings.get(shingle, ())}):
                if linked.find(other) == linked.find(place):
                    continue
                if self._similarity(elements, self._records[other], threshold) >= threshold - 1e-9:
                    linked.union(other, place)
                    yield other, place
            for shingle in prefix:
                postings[shingle].append(place)

    def _prefix(self, index: int, threshold: float) -> Sequence[int]:
        """The rarest shingles of a text, one of which every text that is similar enough must share."""
        record = self._records[index]
        return record[: len(record) - math.ceil(threshold * len(record) - 1e-9) + 1]

    def _best(self, probe: int, candidates: Sequence[int], threshold: float) -> Match | None:
        record = self._records[probe]
        elements = set(record)
        best: Match | None = None
        for candidate in candidates:
            floor = threshold if best is None else best.similarity
            similarity = self._similarity(elements, self._records[candidate], floor)
            if similarity >= threshold - 1e-9 and (best is None or similarity > best.similarity):
                best = Match(candidate, similarity)
                if similarity == 1:
                    break
        return best

    @staticmethod
    def _similarity(elements: set[int], record: Sequence[int], floor: float) -> float:
        """The Jaccard similarity of two texts, or 0 if it cannot reach ``floor``."""
        shorter, longer = sorted((len(elements), len(record)))
        # Similarity is at most the ratio of the sizes.
        if shorter < floor * longer - 1e-9:
            return 0.0
        common = len(elements.intersection(record))
        return common / (len(elements) + len(record) - common)


def _shingles(text: str) -> set[tuple[str, ...]]:
    """Runs of three words; a shorter text is one shingle."""
    words = words_of(text)
    if len(words) < SHINGLE_WORDS:
        return {tuple(words)} if words else set()
    return set(zip(*(words[offset:] for offset in range(SHINGLE_WORDS)), strict=False))
