import numpy as np
import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.log_mel_shards import LogMelShardsDataset
from soundmind_pipeline.errors import SoundmindError

MEL = np.arange(3000 * 128, dtype=np.float32).reshape(3000, 128)  # 1.5 MB


def test_round_trip_closes_shards_by_size(tmp_path):
    dataset = LogMelShardsDataset(filepath=str(tmp_path / "log_mel"), shard_megabytes=1)
    assert not dataset.exists()
    dataset.save((f"train/{number}", MEL + number) for number in range(2))
    assert dataset.exists()
    store = dataset.load()
    assert np.array_equal(store["train/1"], MEL + 1)
    assert len(list((tmp_path / "log_mel").glob("*.safetensors"))) == 2


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match="log_mel does not exist"):
        LogMelShardsDataset(filepath=str(tmp_path / "log_mel")).load()


def test_a_lost_shard_is_named(tmp_path):
    dataset = LogMelShardsDataset(filepath=str(tmp_path / "log_mel"))
    dataset.save([("train/0001", MEL)])
    (tmp_path / "log_mel" / "shard-00000.safetensors").unlink()
    with pytest.raises(DatasetError, match=r"shard-00000\.safetensors is damaged") as caught:
        dataset.load()
    assert isinstance(caught.value.__cause__, SoundmindError)


def test_log_mels_that_break_off_are_not_taken_for_complete(tmp_path):
    dataset = LogMelShardsDataset(filepath=str(tmp_path / "log_mel"), shard_megabytes=1)

    def broken():
        yield "train/0001", MEL
        raise SoundmindError("0002.wav: truncated")

    with pytest.raises(DatasetError, match=r"0002\.wav: truncated"):
        dataset.save(broken())
    assert not dataset.exists()
    assert list(tmp_path.iterdir()) == []
