import numpy as np
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.audio import AudioError
from soundmind_pipeline.speech.audio_folder import AudioFolder, write_audio_folder


def clip(level: float) -> np.ndarray:
    return np.full(400, level, dtype=np.float32)


def test_clips_are_written_and_read_by_uid(tmp_path):
    write_audio_folder(tmp_path / "speech", iter([("train/0001", clip(0.5)), ("dev/0001", clip(0.25))]))
    folder = AudioFolder(tmp_path / "speech", "data/speech")
    assert sorted(folder) == ["dev/0001", "train/0001"]
    assert len(folder) == 2
    assert "train/0001" in folder
    assert "train/0002" not in folder
    assert folder["train/0001"].tolist() == clip(0.5).tolist()
    assert folder.recorded_path("dev/0001") == "data/speech/dev/0001.wav"
    assert folder.path("dev/0001") == tmp_path / "speech" / "dev" / "0001.wav"


def test_a_missing_clip_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"0009\.wav: missing"):
        AudioFolder(tmp_path)["train/0009"]


@pytest.mark.parametrize("uid", ["../secret", "train/../../x", "/etc/passwd", "train//x", "."])
def test_a_uid_cannot_lead_out_of_the_folder(tmp_path, uid):
    with pytest.raises(SoundmindError, match="uid"):
        AudioFolder(tmp_path).path(uid)


def test_an_interrupted_write_keeps_the_old_folder(tmp_path):
    write_audio_folder(tmp_path / "speech", [("train/0001", clip(0.5))])

    def interrupted():
        yield "train/0001", clip(0.1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_audio_folder(tmp_path / "speech", interrupted())
    assert AudioFolder(tmp_path / "speech")["train/0001"][0] == 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["speech"]
