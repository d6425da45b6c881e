"""Spoken answers: the policies' words said aloud, written down again by a recogniser, and judged by what it heard."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from soundmind_pipeline.evaluation.spoken.columns import SPOKEN_COLUMNS
from soundmind_pipeline.evaluation.spoken.hearing import transcribe
from soundmind_pipeline.evaluation.spoken.judging import Transcript, judge, spoken_reward
from soundmind_pipeline.evaluation.spoken.params import SpokenParams, SpokenSetting
from soundmind_pipeline.evaluation.spoken.speaking import SpokenClip, speak_texts
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.rewards.scorer import Scorer
from soundmind_pipeline.speech.audio_folder import MadeClip, write_audio_folder
from soundmind_pipeline.speech.spoken_form import spoken_form

WRITTEN: Final[Mapping[SpokenSetting, str]] = {"text_to_audio": "text_to_text", "audio_to_audio": "audio_to_text"}
"""The setting whose written answers each spoken setting speaks."""


def spoken_answers(
    predictions: pd.DataFrame,
    samples: pd.DataFrame,
    work: Path,
    folder: Path,
    scorer: Scorer,
    params: SpokenParams,
    project: Path | None = None,
) -> pd.DataFrame:
    """Speak the greedy answers to the first problems, listen to them, and score them with their speech.

    Each distinct text is spoken and transcribed once, whoever wrote it and in whichever setting. A run that is killed
    goes on where it was: clips and transcripts stand in ``work``, which afterwards holds those of this table, so that
    the next run neither speaks nor hears unchanged answers again.

    λ2 is earned by speech that is well formed: nothing is wrong by voice activity, and the recogniser hears the
    verdict that was said. λ5 compares seconds of speech by voice activity with those of the reference answer, said by
    the same speaker as in RL: the data's own clip may have another voice and rate, and would make another length of
    the same words. Speech with a defect earns neither.

    Args:
        predictions: The predictions table; its rows of control ``none`` are read.
        samples: The held-out rows, in their order: ``uid``, ``reference_answer`` and ``label``.
        work: Where clips and transcripts are made.
        folder: Where the answers' clips stand when all are heard: exactly those that the table names, each under the
            SHA-256 of its bytes; what stood there before is gone.
        scorer: The scorer that RL is rewarded by.
        params: Which answers, who speaks, who listens.
        project: What ``answer_audio`` is relative to; the current folder if not given.

    Returns:
        One row a spoken answer: the columns of ``predictions``, of the written answer but for ``setting`` and the
        reward (``right`` stays the written verdict's), then :data:`SPOKEN_COLUMNS`.

    Raises:
        SoundmindError: The speaker or a recogniser is not installed, is damaged, or dies.
    """
    records: dict[Any, dict[str, Any]] = samples.head(params.problems).set_index("uid").to_dict("index")  # type: ignore[assignment]
    rows = list(_written(predictions, list(records), params))
    texts = {row["response"]: spoken_form(row["response"]) for row in rows}
    references = {row["uid"]: spoken_form(records[row["uid"]]["reference_answer"]) for row in rows}
    clips, speaker = speak_texts([*texts.values(), *references.values()], work / "clips", params) if rows else ({}, "")
    said = {text: clips[text] for text in texts.values()}
    names = {text: sha256_of(clip.file) for text, clip in said.items() if clip.file}
    heard = _heard(said, names, work / "heard", params) if rows else {}
    where = _recorded_as(folder, project)
    table = []
    for row in rows:
        text, record = texts[row["response"]], records[row["uid"]]
        spoken = {
            "speaker": speaker,
            "answer_audio": f"{where}/{names[text]}.wav" if text in names else None,
            "reference_speech_seconds": clips[references[row["uid"]]].speech_seconds,
        } | judge(text, said[text], heard[text], int(record["label"]))
        table.append(row | spoken_reward(row["response"], record, spoken, scorer) | spoken)
    released = {name: MadeClip(file) for text, name in names.items() if (file := said[text].file)}
    write_audio_folder(folder, released.items())
    _keep_only(work / "clips", {clip.file.name for clip in clips.values() if clip.file})
    _keep_only(work / "heard", {f"{name}.txt" for name in released})
    return pd.DataFrame(table, columns=[*predictions.columns, *SPOKEN_COLUMNS])


def _written(predictions: pd.DataFrame, uids: list[Any], params: SpokenParams) -> Iterator[dict[str, Any]]:
    """The rows to speak, each already of its spoken setting."""
    plain = predictions[(predictions["control"] == "none") & predictions["uid"].isin(uids)]
    plain = plain[plain["policy"].isin(params.policies)]
    for setting in params.settings:
        for row in plain[plain["setting"] == WRITTEN[setting]].to_dict("records"):
            yield {str(name): value for name, value in row.items()} | {"setting": setting}


def _heard(
    said: Mapping[str, SpokenClip], names: Mapping[str, str], work: Path, params: SpokenParams
) -> dict[str, list[Transcript]]:
    """The transcripts of each text; empty where nothing is to be heard."""
    audible = {names[text]: clip.file for text, clip in said.items() if clip.file and clip.defect != "silent"}
    heard: dict[str, list[Transcript]] = {text: [] for text in said}
    for listener in params.listeners:
        transcripts, who = transcribe(audible, listener, work)
        for text, its in heard.items():
            its.append(Transcript(who, transcripts.get(names.get(text, ""), "")))
    return heard


def _recorded_as(folder: Path, project: Path | None) -> str:
    folder, project = folder.absolute(), (project or Path()).absolute()
    return (folder.relative_to(project) if folder.is_relative_to(project) else folder).as_posix()


def _keep_only(folder: Path, names: Iterable[str]) -> None:
    """Remove files of other names: clips and transcripts of answers that are no more."""
    kept = set(names)
    for file in folder.rglob("*.*"):
        if file.is_file() and file.name not in kept:
            file.unlink()
