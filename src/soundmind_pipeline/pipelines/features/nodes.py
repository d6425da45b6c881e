"""Nodes of the feature stage.

Kedro reads the annotations when it lists pipelines, so every name in them is imported here, and heavy modules are
imported inside the functions.
"""

import tempfile
from pathlib import Path

import pandas as pd

from soundmind_pipeline.pipelines.features.params import FeaturesParams
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.speech.audio_folder import AudioFolder
from soundmind_pipeline.speech.log_mels import ComputedLogMels, LogMels


def compute_log_mels(
    manifest: pd.DataFrame, question_speech: AudioFolder, work: Path, params: FeaturesParams
) -> LogMels:
    """Log-mels of all questions: in shards, which a killed run goes on with, or where to compute them from."""
    from soundmind_pipeline.pipelines.features.extraction import question_clips
    from soundmind_pipeline.speech.shard_build import Workforce, build_shards

    clips = question_clips(manifest, question_speech)
    if params.log_mels == "computed":
        return ComputedLogMels(clips)
    workforce = Workforce(params.engine, params.workers, params.ray_address)
    return build_shards(work / "log_mel", clips, params.shard_megabytes << 20, workforce)


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


def index_features(manifest: pd.DataFrame, log_mels: LogMels, processor: ModelFolder) -> pd.DataFrame:
    """The manifest joined with the sizes of its features."""
    from soundmind_pipeline.pipelines.features.extraction import join_features
    from soundmind_pipeline.policy.processor import load_processor

    return join_features(manifest, log_mels, load_processor(processor.path).tokenizer)
