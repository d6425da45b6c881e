"""Long texts in chunks of a few sentences.

A reference answer speaks for ten minutes. In chunks, memory stays flat and one text keeps all workers busy.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from soundmind_pipeline.files import atomic_path
from soundmind_pipeline.speech.audio import AudioError, to_pcm16
from soundmind_pipeline.speech.engines.engine import SAMPLE_RATE, SpeechEngine, Utterance

LONGEST_CHUNK: Final = 400
"""Most characters of a chunk: about half a minute of speech."""

CHUNKING: Final = 1
"""Version of how texts are spoken in chunks, part of clips' names. Raise it with every change after which the same text
and engine make another wave: in :func:`split_text`, in :data:`LONGEST_CHUNK`, in an engine's ``pause_seconds``, in how
:func:`speak_long` joins chunks. Clips of an earlier version are then made anew."""

_BREAKS: Final = (
    re.compile(r"""(?<=[.!?…])["'”’)\]]*\s"""),  # sentences
    re.compile(r"(?<=[,;:—–])\s"),  # clauses
    re.compile(r"\s"),  # words
)
_SPEAKABLE: Final = re.compile(r"[^\W_]")


def split_text(text: str, longest: int = LONGEST_CHUNK) -> list[str]:
    """Chunks of at most ``longest`` characters, cut where a reader would pause.

    A text that is short enough is left as it is. Others are cut between sentences, a longer sentence between clauses,
    a longer clause between words, and a longer word (a URL, a run of dots) anywhere. Nothing but whitespace is lost.
    Pieces without a letter or digit join their neighbour, whatever its length: alone they make no sound.
    """
    if len(text) <= longest:
        return [text]
    chunks: list[str] = []
    speaks = True  # whether the last chunk makes a sound
    lines = (" ".join(line.split()) for line in text.splitlines())
    for piece in chain.from_iterable(_pieces(line, longest, 0) for line in lines if line):
        piece_speaks = _SPEAKABLE.search(piece) is not None
        if chunks and (not speaks or not piece_speaks or len(chunks[-1]) + 1 + len(piece) <= longest):
            chunks[-1] += f" {piece}"
            speaks = speaks or piece_speaks
        else:
            chunks.append(piece)
            speaks = piece_speaks
    return chunks


def _pieces(text: str, longest: int, level: int) -> list[str]:
    """Cuts of ``text``, none longer than ``longest``: sentences whole where possible."""
    if len(text) <= longest:
        return [text]
    if level == len(_BREAKS):
        return [text[start : start + longest] for start in range(0, len(text), longest)]
    cuts = [0, *(match.end() for match in _BREAKS[level].finditer(text)), len(text)]
    parts = (text[start:end].strip() for start, end in pairwise(cuts))
    return list(chain.from_iterable(_pieces(part, longest, level + 1) for part in parts if part))


def speak_long(engine: SpeechEngine, utterances: Iterable[Utterance]) -> Iterator[Iterator[np.ndarray]]:
    """Speak texts of any length, in their order.

    Each inner iterator must be read before the next is asked for; what is left of it then is passed over. The waves
    are those of ``speak_many`` for a text of one chunk, and depend on neither the workers nor the other texts, so a run
    that was stopped can go on with the texts that are left.

    Yields:
        An iterator over one utterance's chunks: ``[samples]`` float32 in [-1, 1] at 16 kHz, the pause between two
        chunks in the first of them.
    """
    owners: list[tuple[int, bool]] = []  # of the chunks on their way: which text, and whether it goes on

    def chunked() -> Iterator[Utterance]:
        for number, utterance in enumerate(utterances):
            texts = split_text(utterance.text)
            for place, text in enumerate(texts, start=1):
                owners.append((number, place < len(texts)))
                manner = (utterance.voice, utterance.words_per_minute, utterance.pitch, utterance.speed)
                yield Utterance(text, *manner)

    pause = np.zeros(round(engine.pause_seconds * SAMPLE_RATE), dtype=np.float32)

    def owned() -> Iterator[tuple[int, np.ndarray]]:
        for wave in engine.speak_many(chunked()):
            number, goes_on = owners.pop(0)
            yield number, np.concatenate([wave, pause]) if goes_on and len(pause) else wave

    for _, chunks in groupby(owned(), key=itemgetter(0)):
        yield (wave for _, wave in chunks)


def write_wav_chunks(path: Path | str, chunks: Iterable[np.ndarray], rate: int = SAMPLE_RATE) -> float:
    """Write chunks of a mono wave to a 16-bit WAV file as they come; the file appears whole or not at all.

    Args:
        path: The file.
        chunks: ``[samples]`` each, float in [-1, 1].
        rate: Their rate, in Hz.

    Returns:
        Seconds written. The bytes are those of ``audio.write_wav`` for the joined wave.

    Raises:
        AudioError: There is no sample, or one is NaN or infinite.
    """
    samples = 0
    with atomic_path(path) as temporary, soundfile.SoundFile(temporary, "w", rate, 1, "PCM_16") as file:
        for chunk in chunks:
            file.write(to_pcm16(path, chunk))
            samples += len(chunk)
        if samples == 0:
            raise AudioError(path, "empty", "refusing to write no samples")
    return samples / rate
