import json
import pickle

import numpy as np
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.shards import LogMelStore, write_log_mel_shards

MELS = {
    f"train/{number:04d}": np.random.default_rng(number).standard_normal((10 + number, 128)).astype(np.float32)
    for number in range(7)
}


@pytest.fixture
def folder(tmp_path):
    # 30 frames a shard: 7 clips of 10 to 16 frames make 3 shards, the last of one clip.
    write_log_mel_shards(tmp_path / "log_mel", iter(MELS.items()), shard_bytes=30 * 128 * 4)
    return tmp_path / "log_mel"


def test_round_trip_in_any_order(folder):
    store = LogMelStore(folder)
    assert list(store) == list(MELS)
    assert len(store) == 7
    for uid in reversed(MELS):
        assert np.array_equal(store[uid], MELS[uid])
        assert store[uid].dtype == np.float32
    assert "train/0000" in store
    assert "dev/0000" not in store
    with pytest.raises(KeyError):
        store["dev/0000"]


def test_clips_fill_shards_in_order(folder):
    places = LogMelStore(folder).places
    assert [place.shard[6:11] for place in places.values()] == ["00000"] * 3 + ["00001"] * 3 + ["00002"]
    assert [place.offset for place in places.values()] == [0, 10, 21, 0, 13, 27, 0]
    assert [place.frames for place in places.values()] == list(range(10, 17))


def test_it_travels_to_another_process_as_its_folder(folder):
    store = LogMelStore(folder)
    store["train/0001"]
    copy = pickle.loads(pickle.dumps(store))
    assert np.array_equal(copy["train/0001"], MELS["train/0001"])


def test_what_is_read_may_be_changed_without_harm(folder):
    store = LogMelStore(folder)
    store["train/0001"][:] = 0
    assert np.array_equal(store["train/0001"], MELS["train/0001"])


def test_a_missing_shard_is_named(folder):
    (folder / "shard-00001.safetensors").unlink()
    with pytest.raises(SoundmindError, match=r"shard-00001\.safetensors is damaged: it is missing"):
        LogMelStore(folder)


def test_a_truncated_shard_is_named(folder):
    shard = folder / "shard-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(SoundmindError, match=r"shard-00002\.safetensors is damaged: it has"):
        LogMelStore(folder)


def test_a_shard_with_a_broken_header_is_named(folder):
    shard = folder / "shard-00000.safetensors"
    shard.write_bytes(b"\xff" * shard.stat().st_size)
    with pytest.raises(SoundmindError, match=r"shard-00000\.safetensors is damaged"):
        LogMelStore(folder)["train/0000"]


def test_a_shard_of_another_run_is_noticed(folder):
    index = json.loads((folder / "shards.json").read_text())
    index["clips"]["train/0006"]["frames"] = 17
    (folder / "shards.json").write_text(json.dumps(index))
    with pytest.raises(SoundmindError, match=r"shard-00002\.safetensors is damaged"):
        LogMelStore(folder)["train/0006"]


@pytest.mark.parametrize("content", [None, "{", "{}", '{"version": 99, "bytes": {}, "clips": {}}'])
def test_an_index_that_is_missing_or_damaged_is_named(folder, content):
    index = folder / "shards.json"
    if content is None:
        index.unlink()
    else:
        index.write_text(content)
    with pytest.raises(SoundmindError, match=r"shards\.json"):
        LogMelStore(folder)


def test_an_interrupted_write_keeps_the_old_shards(folder):
    def interrupted():
        yield "train/0000", MELS["train/0001"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_log_mel_shards(folder, interrupted())
    assert np.array_equal(LogMelStore(folder)["train/0000"], MELS["train/0000"])
    assert [path.name for path in folder.parent.iterdir()] == ["log_mel"]


@pytest.mark.parametrize(
    "mel",
    [np.zeros((0, 128), np.float32), np.zeros((5, 80), np.float32), np.zeros((5, 128)), np.zeros(128, np.float32)],
)
def test_other_shapes_and_types_are_refused(tmp_path, mel):
    with pytest.raises(SoundmindError, match="train/0001: a log-mel of shape"):
        write_log_mel_shards(tmp_path / "x", [("train/0001", mel)])
    assert list(tmp_path.iterdir()) == []


def test_a_uid_that_comes_twice_is_refused(tmp_path):
    mel = np.zeros((5, 128), np.float32)
    with pytest.raises(SoundmindError, match="train/0001: two clips"):
        write_log_mel_shards(tmp_path / "x", [("train/0001", mel), ("train/0001", mel)])
