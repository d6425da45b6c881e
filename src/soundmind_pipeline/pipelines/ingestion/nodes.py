"""Nodes of the ingestion stage.

Kedro reads the annotations when it lists pipelines, so every name in them is imported here, and heavy modules are
imported inside the functions.
"""

from typing import Any

import pandas as pd

from soundmind_pipeline.pipelines.ingestion.params import IngestionParams
from soundmind_pipeline.pipelines.ingestion.speaking import SpokenPlan, plan_questions
from soundmind_pipeline.speech.audio_folder import AudioFolder


def generate_problems(params: IngestionParams) -> pd.DataFrame:
    """Problems, their labels and the teacher's answers: the text columns of the sample table."""
    from soundmind_pipeline.problems.verified.generate import generate_samples

    return generate_samples(params.verified)


def plan_speech(problems: pd.DataFrame, params: IngestionParams) -> pd.DataFrame:
    """Voice, rate and pitch of every question."""
    return plan_questions(problems, params.speech)


def speak_questions(speech_plan: pd.DataFrame, params: IngestionParams) -> SpokenPlan:
    """Waves of all questions; they are made while the dataset that they go to writes them."""
    return SpokenPlan(speech_plan, params.speech.workers)


def build_manifest(
    problems: pd.DataFrame, speech_plan: pd.DataFrame, question_speech: AudioFolder
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The manifest before its examination, and the rows set aside."""
    from soundmind_pipeline.pipelines.ingestion.manifest import join_speech

    return join_speech(problems, speech_plan, question_speech)


def examine_manifest(candidate: pd.DataFrame, params: IngestionParams) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The outcome of the expectation suite and its Data Docs; a failure is recorded here and acted upon later."""
    from soundmind_pipeline.problems.expectations import validate_manifest

    return validate_manifest(candidate, params.expectations)


def release_manifest(
    candidate: pd.DataFrame, quarantine: pd.DataFrame, expectation_results: dict[str, Any], params: IngestionParams
) -> pd.DataFrame:
    """The manifest, once it has passed.

    Raises:
        SoundmindError: A critical expectation fails, or too many rows are in quarantine.
    """
    from soundmind_pipeline.pipelines.ingestion.manifest import require_few_quarantined
    from soundmind_pipeline.problems.expectations import require_critical

    require_few_quarantined(candidate, quarantine, params.max_quarantined)
    require_critical(expectation_results)
    return candidate
