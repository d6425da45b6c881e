import numpy as np
import pytest

from soundmind_pipeline.speech.audio import is_whole_wav, load_audio, write_wav
from soundmind_pipeline.speech.clip_work import clip_name, missing_clips, speak_clips
from soundmind_pipeline.speech.engines.engine import SpeechEngine, UnspeakableError, Utterance


class Tone(SpeechEngine):
    """A tenth of a second a character."""

    name = "tone"
    pause_seconds = 0.0

    def __init__(self):
        self.asked = []

    def describe(self):
        return {"engine": "tone"}

    def speak_many(self, utterances):
        for utterance in utterances:
            if utterance.text == "mute":
                raise UnspeakableError("mute")
            self.asked.append(utterance.text)
            yield np.full(1600 * len(utterance.text), 0.25, dtype=np.float32)

    def close(self):
        pass


def plan(folder, *texts):
    return [(folder / clip_name(text, "tone"), Utterance(text, "v")) for text in texts]


def test_a_file_is_named_after_what_is_said_and_by_whom():
    names = {clip_name(text, speaker) for text in ("a", "b") for speaker in ("x", "y")}
    assert len(names) == 4
    assert clip_name("a", "x") in names
    assert clip_name("ab", "c") != clip_name("a", "bc")


def test_another_way_of_cutting_texts_is_another_file(monkeypatch):
    before = clip_name("a", "x")
    monkeypatch.setattr("soundmind_pipeline.speech.engines.long.CHUNKING", -1)
    assert clip_name("a", "x") != before


def test_only_files_that_are_not_whole_are_missing_and_each_once(tmp_path, caplog):
    caplog.set_level("INFO")
    clips = plan(tmp_path, "one", "two", "three", "one")
    assert list(missing_clips(clips, "answer")) == [file for file, _ in clips[:3]]
    assert not caplog.text
    write_wav(clips[0][0], np.ones(1600, dtype=np.float32))
    clips[1][0].write_bytes(clips[0][0].read_bytes()[:-1])
    assert [utterance.text for utterance in missing_clips(clips, "answer").values()] == ["two", "three"]
    assert "2 of 4 answers were spoken already." in caplog.text


def test_a_text_that_is_refused_leaves_the_clips_before_it(tmp_path):
    clips = dict(plan(tmp_path, "first", "second", "mute", "last"))
    engine = Tone()
    with pytest.raises(UnspeakableError):
        speak_clips(engine, clips, "answer")
    files = list(clips)
    assert is_whole_wav(files[0])
    assert not is_whole_wav(files[2])
    assert {path.name for path in tmp_path.iterdir()} <= {file.name for file in files}
    speak_clips(engine, {files[3]: clips[files[3]]}, "answer")
    assert len(load_audio(files[3])) == 6400


def test_a_text_of_ten_minutes_is_written_chunk_by_chunk(tmp_path, caplog):
    caplog.set_level("INFO")
    text = "It follows from what was said. " * 200
    clips = dict(plan(tmp_path, text))
    engine = Tone()
    speak_clips(engine, clips, "answer")
    assert len(engine.asked) > 10
    assert max(map(len, engine.asked)) <= 400
    assert " ".join(engine.asked) == text.strip()
    assert len(load_audio(next(iter(clips)))) == sum(1600 * len(chunk) for chunk in engine.asked)
    assert "Spoke 1 answers, 10.3 minutes" in caplog.text
