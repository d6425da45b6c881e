"""Nodes of the feature stage.

Kedro reads the annotations when it lists pipelines, so every name in them is imported here, and heavy modules are
imported inside the functions.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from soundmind_pipeline.pipelines.features.params import FeaturesParams
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.speech.audio_folder import AudioFolder
from soundmind_pipeline.speech.shards import LogMelStore


def compute_log_mels(manifest: pd.DataFrame, question_speech: AudioFolder) -> Iterable[tuple[str, np.ndarray]]:
    """Log-mels of all questions; they are computed while the dataset that they go to writes them."""
    from soundmind_pipeline.pipelines.features.extraction import LogMelStream

    return LogMelStream(manifest, question_speech)


def describe_speech(manifest: pd.DataFrame, question_speech: AudioFolder) -> pd.DataFrame:
    """Speech durations and sound descriptors of all questions."""
    from soundmind_pipeline.pipelines.features.extraction import describe_clips

    return describe_clips(manifest, question_speech)


def prepare_processor(manifest: pd.DataFrame, params: FeaturesParams) -> ModelFolder:
    """A folder with the processor: the one that is named, or a nano one trained on the train split's texts alone."""
    from soundmind_pipeline.policy.nano import build_processor
    from soundmind_pipeline.policy.processor import load_processor

    if params.processor:
        processor = load_processor(params.processor)
    else:
        train = manifest[manifest["split"] == "train"]
        processor = build_processor([*train["user_content"], *train["reference_answer"]], params.tokenizer)
    folder = Path(tempfile.mkdtemp(prefix="processor-"))
    folder.chmod(0o755)  # it is moved to its place, where others may want to read it
    processor.save_pretrained(folder)
    return ModelFolder(folder)


def index_features(
    manifest: pd.DataFrame, speech_descriptors: pd.DataFrame, log_mels: LogMelStore, processor: ModelFolder
) -> pd.DataFrame:
    """The manifest joined with its features' places and sizes."""
    from soundmind_pipeline.pipelines.features.extraction import join_features
    from soundmind_pipeline.policy.processor import load_processor

    return join_features(manifest, speech_descriptors, log_mels, load_processor(processor.path).tokenizer)
