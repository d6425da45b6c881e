"""Log-mels, sound descriptors and token counts of the manifest's rows."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm import tqdm

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.descriptors import describe
from soundmind_pipeline.speech.log_mel import HOP_LENGTH, MEL_BINS, SAMPLE_RATE, audio_token_count, log_mel
from soundmind_pipeline.speech.shards import LogMelStore
from soundmind_pipeline.speech.voice_activity import speech_seconds

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)


class LogMelStream:
    """The log-mels of the manifest's questions, computed while they are iterated over.

    Iterating yields ``(uid, log_mel [frames, 128] float32)`` in the order of the manifest, behind a progress bar.

    Args:
        manifest: Columns ``uid`` and ``question_seconds``.
        speech: Waves by uid.
    """

    def __init__(self, manifest: pd.DataFrame, speech: Mapping[str, np.ndarray]) -> None:
        self._uids = manifest["uid"].tolist()
        self._seconds = float(manifest["question_seconds"].sum())
        self._speech = speech

    def __len__(self) -> int:
        return len(self._uids)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        size = self._seconds * SAMPLE_RATE / HOP_LENGTH * MEL_BINS * 4
        logger.info("Log-mels of %d clips take about %.0f MB.", len(self), size / 1e6)
        for uid in tqdm(self._uids, desc="Log-mels", unit="clip", disable=None):
            yield uid, log_mel(self._speech[uid])


def describe_clips(manifest: pd.DataFrame, speech: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Seconds of speech (by voice activity) and sound descriptors of every question.

    Returns:
        One row a question: ``uid``, ``question_speech_seconds``, and the columns of ``speech.descriptors.DESCRIPTORS``.
    """
    rows = []
    for uid in tqdm(manifest["uid"], desc="Voice activity", unit="clip", disable=None):
        wave = speech[uid]
        rows.append({"uid": uid, "question_speech_seconds": speech_seconds(wave), **describe(wave)})
    return pd.DataFrame(rows)


def join_features(
    manifest: pd.DataFrame, descriptors: pd.DataFrame, log_mels: LogMelStore, tokenizer: "PreTrainedTokenizerBase"
) -> pd.DataFrame:
    """The feature index: the manifest with what later stages need to know of each row's features.

    Returns:
        The manifest's columns, then ``question_speech_seconds`` and the descriptors, ``mel_frames``, ``audio_tokens``,
        ``shard``, ``shard_offset``, ``question_tokens`` and ``answer_tokens`` (text tokens, no control tokens).

    Raises:
        SoundmindError: A row of the manifest has no log-mel: the shards belong to another manifest.
    """
    absent = [uid for uid in manifest["uid"] if uid not in log_mels]
    if absent:
        raise SoundmindError(
            f"{len(absent)} rows of the manifest have no log-mel, first {', '.join(absent[:5])}.",
            hint="The shards belong to another manifest; run `kedro run --pipeline=features` as a whole.",
        )
    index = manifest.merge(descriptors, on="uid", how="left", validate="one_to_one")
    places = [log_mels.places[uid] for uid in index["uid"]]
    return index.assign(
        mel_frames=[place.frames for place in places],
        audio_tokens=[audio_token_count(place.frames) for place in places],
        shard=[place.shard for place in places],
        shard_offset=[place.offset for place in places],
        question_tokens=_token_counts(tokenizer, index["user_content"].tolist()),
        answer_tokens=_token_counts(tokenizer, index["reference_answer"].tolist()),
    )


def _token_counts(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[int]:
    return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
