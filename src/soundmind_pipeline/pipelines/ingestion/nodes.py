"""Nodes of the ingestion stage.

Kedro reads the annotations when it lists pipelines, so every name in them is imported here, and heavy modules are
imported inside the functions.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from soundmind_pipeline.datasets.raw_folder import RawFolder
from soundmind_pipeline.pipelines.ingestion.params import IngestionParams
from soundmind_pipeline.pipelines.ingestion.speaking import Clips, SpokenPlan, plan_clips
from soundmind_pipeline.speech.audio_folder import AudioFolder


def collect_problems(raw_data: RawFolder, params: IngestionParams) -> tuple[pd.DataFrame, pd.DataFrame, Clips]:
    """Problems of the chosen source, the records that cannot be used, and the sound files that come with them."""
    from soundmind_pipeline.pipelines.ingestion.collecting import collect

    return collect(raw_data, params)


def colloquialize(
    collected_problems: pd.DataFrame, replies: Path, params: IngestionParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every problem with its prompt, and those that got none."""
    from soundmind_pipeline.problems.construction.colloquialize import colloquialize

    return colloquialize(collected_problems, params.colloquialization, replies)


def teach(worded_problems: pd.DataFrame, replies: Path, params: IngestionParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every problem with its reference reasoning and answer, and those that got none."""
    from soundmind_pipeline.problems.construction.teach import teach

    return teach(worded_problems, params.teacher, params.verified.fallacies, replies)


def plan_speech(problems: pd.DataFrame, source_clips: Clips, params: IngestionParams) -> pd.DataFrame:
    """Which file every clip is, or who speaks it."""
    speak_questions = params.source != "soundmind" or params.soundmind.speak_missing
    return plan_clips(problems, source_clips, params.speech, speak_questions)


def speak_questions(speech_plan: pd.DataFrame, work: Path, params: IngestionParams) -> SpokenPlan:
    """The files of all questions; those that are not yet in ``work`` are made when they are asked for."""
    return SpokenPlan(speech_plan, "question", params.speech, work)


def speak_answers(speech_plan: pd.DataFrame, work: Path, params: IngestionParams) -> SpokenPlan:
    """The files of the answers that are spoken, made like the questions."""
    return SpokenPlan(speech_plan, "answer", params.speech, work)


def scan_speech(
    speech_plan: pd.DataFrame,
    question_speech: AudioFolder,
    answer_speech: AudioFolder,
    raw_data: RawFolder,
    params: IngestionParams,
) -> pd.DataFrame:
    """What every sound file is: length, checksums, loudness, speech, and its defect if it has one."""
    from soundmind_pipeline.pipelines.ingestion.clips import scan_plan
    from soundmind_pipeline.pipelines.ingestion.collecting import source_folder

    folders = {"question": question_speech, "answer": answer_speech}
    return scan_plan(speech_plan, folders, source_folder(raw_data, params), params.scan)


def build_manifest(
    problems: pd.DataFrame, speech_plan: pd.DataFrame, clip_facts: pd.DataFrame, *rejected: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The manifest before its examination, and the rows that were set aside on the way."""
    from soundmind_pipeline.pipelines.ingestion.manifest import join_speech

    return join_speech(problems, speech_plan, clip_facts, rejected)


def examine_manifest(candidate: pd.DataFrame, params: IngestionParams) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The outcome of the expectation suite and its Data Docs; a failure is recorded here and acted upon later."""
    from soundmind_pipeline.problems.expectations import validate_manifest

    return validate_manifest(candidate, params.expectations)


def release_manifest(
    candidate: pd.DataFrame,
    quarantine: pd.DataFrame,
    clip_facts: pd.DataFrame,
    expectation_results: dict[str, Any],
    speech_work: Path,
    params: IngestionParams,
) -> pd.DataFrame:
    """The manifest, once it has passed; only then is the work on speech done, and its folder emptied.

    Raises:
        SoundmindError: A clip has a fatal defect, too many rows are in quarantine, or a critical expectation fails.
    """
    from soundmind_pipeline.pipelines.ingestion.manifest import (
        log_contents,
        require_few_quarantined,
        require_no_fatal_defect,
    )
    from soundmind_pipeline.problems.expectations import require_critical

    require_no_fatal_defect(clip_facts, params.fatal_defects)
    require_few_quarantined(candidate, quarantine, params.max_quarantined)
    require_critical(expectation_results)
    log_contents(candidate, quarantine)
    for clip in speech_work.iterdir():
        clip.unlink()
    return candidate
