"""Word and character error rates of transcripts, counted by jiwer on text that Whisper's normaliser has treated.

Normalisation: OpenAI's English text normaliser (Radford et al. 2022, arXiv 2212.04356, appendix C) as the package
``whisper-normalizer`` (MIT) has it, applied to reference and transcript alike. It lowers case; drops punctuation,
fillers and what stands in brackets; writes numbers as digits, contractions and titles in full, and British spelling the
American way. Hyphens become spaces, so "not-entailed" and "not entailed" are the same two words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True)
class WordErrors:
    """Counts over one or more pairs of reference and transcript, pooled: long texts count more than short ones."""

    reference_words: int
    """Words of the references, N."""
    substitutions: int
    """Words heard as another word, S."""
    deletions: int
    """Words not heard, D."""
    insertions: int
    """Words heard that were not said, I."""
    reference_characters: int
    """Characters of the references, spaces included."""
    character_errors: int
    """Characters substituted, deleted and inserted."""

    @property
    def wer(self) -> float:
        """Word error rate (S + D + I) / N; NaN without reference words."""
        return _rate(self.substitutions + self.deletions + self.insertions, self.reference_words)

    @property
    def cer(self) -> float:
        """Character error rate; NaN without reference characters."""
        return _rate(self.character_errors, self.reference_characters)


def _rate(errors: int, total: int) -> float:
    return errors / total if total else float("nan")


@cache
def _normaliser() -> Any:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


def normalise(text: str) -> str:
    """``text`` as it is compared: see the module's description."""
    return _normaliser()(text).strip()


def word_errors(references: Sequence[str], transcripts: Sequence[str]) -> WordErrors:
    """Errors of ``transcripts`` against ``references``, pair by pair, both normalised, pooled.

    Pairs are aligned by minimum edit distance. A reference without words adds the transcript's words as insertions.

    Raises:
        ValueError: The numbers of texts differ.
    """
    import jiwer

    if len(references) != len(transcripts):
        raise ValueError(f"{len(references)} references, but {len(transcripts)} transcripts")
    said, heard = ([normalise(text) for text in texts] for texts in (references, transcripts))
    if not said:
        return WordErrors(0, 0, 0, 0, 0, 0)
    words, characters = jiwer.process_words(said, heard), jiwer.process_characters(said, heard)
    return WordErrors(
        reference_words=words.hits + words.substitutions + words.deletions,
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
        reference_characters=characters.hits + characters.substitutions + characters.deletions,
        character_errors=characters.substitutions + characters.deletions + characters.insertions,
    )
