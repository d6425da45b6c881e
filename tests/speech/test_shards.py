import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.shards import LogMelStore, mark_file, shard_file, whole_shard, write_index, write_shard

MELS = {
    f"train/{number:04d}": np.random.default_rng(number).standard_normal((10 + number, 128)).astype(np.float32)
    for number in range(7)
}
GROUPS = (("train/0000", "train/0001", "train/0002"), ("train/0003", "train/0004", "train/0005"), ("train/0006",))


def frames_of(uids):
    return sum(len(MELS[uid]) for uid in uids)


@pytest.fixture
def folder(tmp_path):
    target = tmp_path / "log_mel"
    target.mkdir()
    groups = enumerate(GROUPS)
    marks = [
        write_shard(target, f"shard-{n:05d}", f"f{n}", frames_of(uids), ((uid, MELS[uid]) for uid in uids))
        for n, uids in groups
    ]
    write_index(target, marks)
    return target


def test_round_trip_in_any_order(folder):
    store = LogMelStore(folder)
    assert list(store) == list(MELS)
    assert len(store) == 7
    for uid in reversed(MELS):
        assert np.array_equal(store[uid], MELS[uid])
        assert store[uid].dtype == np.float32
        assert store.frames(uid) == len(MELS[uid])
    assert "train/0000" in store
    assert "dev/0000" not in store
    with pytest.raises(KeyError):
        store["dev/0000"]
    with pytest.raises(KeyError):
        store.frames("dev/0000")


def test_clips_stand_one_behind_the_other(folder):
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


def test_a_shard_counts_as_whole_only_if_its_mark_its_bytes_and_its_origin_agree(folder):
    mark = whole_shard(folder, "shard-00001", "f1")
    assert mark is not None
    assert list(mark.clips) == list(GROUPS[1])
    assert whole_shard(folder, "shard-00001", "another origin") is None

    shard = shard_file(folder, "shard-00001")
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert whole_shard(folder, "shard-00001", "f1") is None, "a flipped bit"
    shard.write_bytes(content[:-1])
    assert whole_shard(folder, "shard-00001", "f1") is None, "a lost byte"
    shard.unlink()
    assert whole_shard(folder, "shard-00001", "f1") is None, "no shard"
    shard.write_bytes(content)
    assert whole_shard(folder, "shard-00001", "f1") == mark

    mark_file(folder, "shard-00000").unlink()
    assert whole_shard(folder, "shard-00000", "f0") is None
    for damage in ("{", "[]", '{"name": "shard-00002"}'):
        mark_file(folder, "shard-00002").write_text(damage)
        assert whole_shard(folder, "shard-00002", "f2") is None


def test_the_library_reads_the_file_as_its_own(folder):
    uids = GROUPS[1]
    content = load_file(folder / "shard-00001.safetensors")
    assert list(content) == ["log_mel"]
    assert np.array_equal(content["log_mel"], np.concatenate([MELS[uid] for uid in uids]))
    assert (folder / "shard-00001.safetensors").read_bytes() == save(content), "byte for byte what it would write"


@pytest.mark.parametrize("frames", [9, 11])
def test_more_or_fewer_frames_than_announced_are_refused(tmp_path, frames):
    with pytest.raises(SoundmindError, match=f"10 log-mel frames came, {frames} were announced"):
        write_shard(tmp_path, "shard-00000", "", frames, [("train/0000", MELS["train/0000"])])
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_no_shard(folder):
    def interrupted():
        yield "train/0000", MELS["train/0001"]
        raise KeyboardInterrupt

    before = sorted(folder.iterdir())
    with pytest.raises(KeyboardInterrupt):
        write_shard(folder, "shard-00003", "f3", 11, interrupted())
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "mel",
    [np.zeros((0, 128), np.float32), np.zeros((5, 80), np.float32), np.zeros((5, 128)), np.zeros(128, np.float32)],
)
def test_other_shapes_and_types_are_refused(tmp_path, mel):
    with pytest.raises(SoundmindError, match="train/0001: a log-mel of shape"):
        write_shard(tmp_path, "shard-00000", "", len(mel), [("train/0001", mel)])
    assert list(tmp_path.iterdir()) == []


def test_a_uid_that_comes_twice_is_refused(tmp_path):
    mel = np.zeros((5, 128), np.float32)
    with pytest.raises(SoundmindError, match="train/0001: two clips"):
        write_shard(tmp_path, "shard-00000", "", 10, [("train/0001", mel), ("train/0001", mel)])
    marks = [write_shard(tmp_path, name, "", 5, [("train/0001", mel)]) for name in ("a", "b")]
    with pytest.raises(SoundmindError, match="train/0001: two clips"):
        write_index(tmp_path, marks)
    assert not (tmp_path / "shards.json").exists()
