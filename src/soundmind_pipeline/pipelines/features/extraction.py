"""The manifest's clips for log-mels, and the feature index."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.audio_folder import AudioFolder
from soundmind_pipeline.speech.log_mel import audio_token_count, resampled_frame_count
from soundmind_pipeline.speech.log_mels import LogMels, SpokenClip

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def question_clips(manifest: pd.DataFrame, speech: AudioFolder) -> dict[str, SpokenClip]:
    """The sound file of every question by uid, in the order of the manifest, none of them read.

    Raises:
        SoundmindError: Two rows have the same uid.
    """
    clips = {
        uid: SpokenClip(str(speech.path(uid).absolute()), sha256, resampled_frame_count(seconds))
        for uid, sha256, seconds in zip(
            manifest["uid"], manifest["question_sha256"], manifest["question_seconds"], strict=True
        )
    }
    if len(clips) < len(manifest):
        twice = manifest["uid"][manifest["uid"].duplicated()].iloc[0]
        raise SoundmindError(f"{twice}: two rows of the manifest have this uid.")
    return clips


def join_features(manifest: pd.DataFrame, log_mels: LogMels, tokenizer: "PreTrainedTokenizerBase") -> pd.DataFrame:
    """The feature index: the manifest with what later stages need to know of each row's features.

    Returns:
        The manifest's columns, then ``mel_frames``, ``audio_tokens``, ``question_tokens`` and ``answer_tokens`` (text
        tokens, no control tokens).

    Raises:
        SoundmindError: A row of the manifest has no log-mel: the shards belong to another manifest.
    """
    absent = [uid for uid in manifest["uid"] if uid not in log_mels]
    if absent:
        raise SoundmindError(
            f"{len(absent)} rows of the manifest have no log-mel, first {', '.join(absent[:5])}.",
            hint="The shards belong to another manifest; run `kedro run --pipeline=features` as a whole.",
        )
    frames = [log_mels.frames(uid) for uid in manifest["uid"]]
    return manifest.assign(
        mel_frames=frames,
        audio_tokens=[audio_token_count(count) for count in frames],
        question_tokens=_token_counts(tokenizer, manifest["user_content"].tolist()),
        answer_tokens=_token_counts(tokenizer, manifest["reference_answer"].tolist()),
    )


def _token_counts(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[int]:
    return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
