import numpy as np
import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.log_mel_shards import LogMelShardsDataset
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.speech.audio import write_wav
from soundmind_pipeline.speech.log_mels import ComputedLogMels, SpokenClip
from soundmind_pipeline.speech.shards import LogMelStore, write_index, write_shard

MEL = np.arange(300 * 128, dtype=np.float32).reshape(300, 128)


@pytest.fixture
def dataset(tmp_path) -> LogMelShardsDataset:
    return LogMelShardsDataset(filepath=str(tmp_path / "log_mel"))


def store(folder, uid="train/0001") -> LogMelStore:
    folder.mkdir(parents=True)
    write_index(folder, [write_shard(folder, "shard-00000", "", 300, [(uid, MEL)])])
    return LogMelStore(folder)


def test_saving_a_store_moves_it_into_place(dataset, tmp_path):
    assert not dataset.exists()
    dataset.save(store(tmp_path / "work/log_mel"))
    assert dataset.exists()
    assert np.array_equal(dataset.load()["train/0001"], MEL)
    assert not (tmp_path / "work/log_mel").exists()
    dataset.save(store(tmp_path / "work/log_mel", "dev/0001"))
    assert list(dataset.load()) == ["dev/0001"]


def test_saving_in_place_is_harmless(dataset, tmp_path):
    dataset.save(store(tmp_path / "log_mel"))
    assert np.array_equal(dataset.load()["train/0001"], MEL)


def test_computed_log_mels_replace_stored_ones_and_the_other_way_round(dataset, tmp_path):
    write_wav(tmp_path / "a.wav", np.full(1600, 0.1))
    computed = ComputedLogMels({"train/0001": SpokenClip(str(tmp_path / "a.wav"), "0" * 64, 10)})
    dataset.save(store(tmp_path / "work/log_mel"))
    dataset.save(computed)
    assert sorted(path.name for path in (tmp_path / "log_mel").iterdir()) == ["clips.json"]
    assert np.array_equal(dataset.load()["train/0001"], computed["train/0001"])
    dataset.save(store(tmp_path / "work/log_mel"))
    assert np.array_equal(dataset.load()["train/0001"], MEL)


def test_another_mapping_is_refused(dataset):
    with pytest.raises(DatasetError, match="dict cannot be saved"):
        dataset.save({"train/0001": MEL})
    assert not dataset.exists()


def test_a_missing_folder_is_named(dataset):
    with pytest.raises(DatasetError, match="log_mel does not exist"):
        dataset.load()


def test_a_lost_shard_is_named(dataset, tmp_path):
    dataset.save(store(tmp_path / "work/log_mel"))
    (tmp_path / "log_mel" / "shard-00000.safetensors").unlink()
    with pytest.raises(DatasetError, match=r"shard-00000\.safetensors is damaged") as caught:
        dataset.load()
    assert isinstance(caught.value.__cause__, SoundmindError)
