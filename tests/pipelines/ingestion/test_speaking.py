import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.datasets.audio_folder import AudioFolderDataset
from soundmind_pipeline.pipelines.ingestion.speaking import PLAN_COLUMNS, SpokenPlan, clip_name, plan_clips
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.speech.audio import load_audio, to_pcm16, write_wav
from soundmind_pipeline.speech.audio_folder import MadeClip
from soundmind_pipeline.speech.engines import long
from soundmind_pipeline.speech.engines.long import speak_long, split_text
from soundmind_pipeline.speech.engines.opening import draw_utterance, open_engine
from soundmind_pipeline.speech.engines.processes import SpeakingProcess
from soundmind_pipeline.speech.params import SpeechParams
from soundmind_pipeline.speech.spoken_form import spoken_form


@pytest.fixture(scope="module")
def problems() -> pd.DataFrame:
    return generate_samples(VerifiedParams(counts=SplitCounts(train=120, dev=20, test=20)))


def manners(plan: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(plan["speaker"].map(json.loads).tolist(), index=plan["uid"])


def test_a_question_s_plan_depends_on_seed_and_uid_alone(problems):
    whole = plan_clips(problems, {}, SpeechParams())
    assert tuple(whole.columns) == PLAN_COLUMNS
    assert whole["text"].tolist() == problems["user_content"].tolist()
    part = plan_clips(problems.iloc[::-3], {}, SpeechParams())
    assert manners(part).sort_index().equals(manners(whole).loc[sorted(part["uid"])])
    other = plan_clips(problems, {}, SpeechParams(seed=1))
    assert (manners(other)["words_per_minute"] != manners(whole)["words_per_minute"]).any()


def test_rates_and_pitches_cover_their_ranges_ends_included(problems):
    plan = manners(plan_clips(problems, {}, SpeechParams(words_per_minute=(250, 252), pitch=(40, 41))))
    assert set(plan["words_per_minute"]) == {250, 251, 252}
    assert set(plan["pitch"]) == {40, 41}
    assert set(plan["voice"]) == {"en-us"}


def test_files_that_exist_are_planned_as_they_are(problems):
    files = {"question": {"train/0001": "raw/q.wav"}, "answer": {"train/0002": "raw/a.flac"}}
    plan = plan_clips(problems.head(3), files, SpeechParams())
    assert plan[["uid", "side"]].agg(" ".join, axis=1).tolist() == [
        "train/0001 question", "train/0002 question", "train/0003 question", "train/0002 answer",
    ]  # fmt: skip
    assert plan["file"].fillna("to speak").tolist() == ["raw/q.wav", "to speak", "to speak", "raw/a.flac"]
    assert plan["speaker"].isna().tolist() == [True, False, False, True]
    only_files = plan_clips(problems.head(3), files, SpeechParams(), speak_questions=False)
    assert only_files["file"].tolist() == ["raw/q.wav", "raw/a.flac"]


def test_answers_are_spoken_on_demand_without_their_tags(problems):
    plan = plan_clips(problems.head(2), {}, SpeechParams(answers=True))
    assert plan["side"].tolist() == ["question", "question", "answer", "answer"]
    assert problems["reference_answer"][0].startswith("<think>")
    assert plan["text"][2] == spoken_form(problems["reference_answer"][0])
    assert "<" not in plan["text"][2]


def test_rows_that_may_not_enter_the_manifest_are_not_spoken(problems):
    broken = pd.concat([problems.head(4), problems.head(1)], ignore_index=True)
    broken.loc[1, "user_content"] = " "
    broken.loc[2, "uid"] = "../../etc/passwd"
    assert plan_clips(broken, {}, SpeechParams())["uid"].tolist() == ["train/0001", "train/0004"]


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """What the engine is asked to say in this process."""
    texts: list[str] = []
    speak = SpeakingProcess.speak

    def listening(self, utterance):
        texts.append(utterance.text)
        return speak(self, utterance)

    monkeypatch.setattr(SpeakingProcess, "speak", listening)
    return texts


def test_clips_and_files_come_in_the_order_of_the_plan(problems, tmp_path, caplog):
    caplog.set_level("INFO")
    files = {"question": {"train/0002": "raw/q.wav"}}
    params = SpeechParams(workers=1)
    plan = plan_clips(problems.head(3), files, params)
    clips = dict(SpokenPlan(plan, "question", params, tmp_path))
    assert list(clips) == ["train/0001", "train/0002", "train/0003"]
    assert clips["train/0002"].as_posix() == "raw/q.wav"
    made = [clips["train/0001"], clips["train/0003"]]
    assert all(isinstance(clip, MadeClip) and len(load_audio(clip.file)) > 16_000 for clip in made)
    assert "Spoke 2 questions" in caplog.text  # and the engine has ended
    assert "already" not in caplog.text
    assert list(SpokenPlan(plan, "answer", params, tmp_path)) == []


def test_only_what_is_not_there_whole_is_spoken(problems, tmp_path, asked, caplog):
    caplog.set_level("INFO")
    params = SpeechParams(workers=1)
    plan = plan_clips(problems.head(6), {}, params)
    first = {uid: clip.file for uid, clip in SpokenPlan(plan, "question", params, tmp_path)}
    whole = {uid: file.read_bytes() for uid, file in first.items()}
    assert sorted(asked) == sorted(plan["text"])
    first["train/0002"].unlink()
    first["train/0004"].write_bytes(whole["train/0004"][:-2])
    first["train/0005"].write_bytes(b"")
    asked.clear()
    again = {uid: clip.file for uid, clip in SpokenPlan(plan, "question", params, tmp_path)}
    assert sorted(asked) == sorted(plan["text"].iloc[[1, 3, 4]])
    assert "3 of 6 questions were spoken already." in caplog.text
    assert {uid: file.read_bytes() for uid, file in again.items()} == whole


@pytest.mark.parametrize("change", [{"seed": 1}, {"voice": "de"}, {"pitch": (60, 60)}])
def test_a_text_in_another_manner_is_another_clip(problems, tmp_path, asked, change):
    for params in (SpeechParams(workers=1), SpeechParams(workers=1, **change)):
        list(SpokenPlan(plan_clips(problems.head(2), {}, params), "question", params, tmp_path))
    assert len(asked) == 4


def test_clips_of_another_version_of_the_engine_are_not_taken(problems):
    plan = plan_clips(problems.head(1), {}, SpeechParams())
    text, speaker = plan["text"][0], plan["speaker"][0]
    other = json.dumps(json.loads(speaker) | {"engine": "espeak-ng (espeakng-loader 9)"})
    assert len({clip_name(text, speaker), clip_name(text, other), clip_name(text + ".", speaker)}) == 3


def test_a_long_answer_is_written_in_pieces_with_the_bytes_of_the_whole(problems, tmp_path, monkeypatch):
    params = SpeechParams(answers=True, workers=1)
    rows = problems.head(1)
    answer = rows["reference_answer"][0].replace("</think>", "It does not follow. " * 60 + "</think>")
    rows = rows.assign(reference_answer=answer)
    plan = plan_clips(rows, {}, params)
    text = plan["text"][1]
    assert len(split_text(text)) > 2
    longest = []
    whole = to_pcm16

    def watching(path, wave):
        longest.append(len(wave))
        return whole(path, wave)

    monkeypatch.setattr(long, "to_pcm16", watching)
    ((_, clip),) = SpokenPlan(plan, "answer", params, tmp_path)
    with open_engine(params) as engine:
        (chunks,) = [list(chunks) for chunks in speak_long(engine, [draw_utterance(params, plan["uid"][1], text)])]
    assert longest == [len(chunk) for chunk in chunks]
    write_wav(tmp_path / "joined.wav", np.concatenate(chunks))
    assert clip.file.read_bytes() == (tmp_path / "joined.wav").read_bytes()


SLOW = """
import itertools, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from soundmind_pipeline.speech.engines.processes import SpeakingProcess

speak = SpeakingProcess.speak
asked = itertools.count()  # after twenty questions it waits for its end
SpeakingProcess.speak = lambda self, utterance: (next(asked) < 20 or time.sleep(600), speak(self, utterance))[1]
from test_speaking import save_speech

save_speech(Path("speech"), Path("work"))
"""


def save_speech(folder: Path, work: Path) -> None:
    """What the stage does with 40 questions."""
    problems = generate_samples(VerifiedParams(counts=SplitCounts(train=40, dev=20, test=20)))
    params = SpeechParams(workers=2)
    plan = plan_clips(problems[problems["split"] == "train"], {}, params)
    AudioFolderDataset(filepath=str(folder)).save(SpokenPlan(plan, "question", params, work))


def wavs(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path, asked, caplog):
    caplog.set_level("INFO")
    script = tmp_path / "slow.py"
    script.write_text(SLOW.format(tests=str(Path(__file__).parent)))
    run = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, start_new_session=True)
    work, speech = tmp_path / "work", tmp_path / "speech"
    try:
        deadline = time.monotonic() + 600
        while len(list(work.glob("[!.]*.wav"))) < 5:
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    kept = {file: file.stat().st_mtime_ns for file in work.glob("[!.]*.wav")}
    assert 5 <= len(kept) < 40
    assert not speech.exists()

    save_speech(speech, work)
    assert len(asked) == 40 - len(kept)
    assert f"{len(kept)} of 40 questions were spoken already." in caplog.text
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["slow.py", "speech", "work"]
    save_speech(tmp_path / "undisturbed", tmp_path / "other work")
    assert wavs(speech) == wavs(tmp_path / "undisturbed")
