import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.other_run import read_other_run


@pytest.fixture
def ours(prediction):
    return pd.DataFrame([prediction(uid) for uid in "abc"])


def test_a_table_of_the_same_problems_is_read(ours, prediction, tmp_path):
    other = pd.DataFrame([prediction(uid) for uid in "bcd"] + [prediction("b", control="silence")])
    other.to_parquet(tmp_path / "p.parquet")
    assert read_other_run(tmp_path / "p.parquet", ours)["uid"].tolist() == ["b", "c", "d", "b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.assign(label=0), "gives a another label"),
        (lambda frame: frame.assign(uid=["x", "y", "z"]), "none of this run's problems"),
        (lambda frame: frame.drop(columns="right"), "no column 'right'"),
    ],
)
def test_other_tables_are_refused(ours, change, message, tmp_path):
    change(ours).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(SoundmindError, match=message):
        read_other_run(tmp_path / "p.parquet", ours)


def test_what_cannot_be_read_is_named(ours, tmp_path):
    with pytest.raises(SoundmindError, match=r"absent\.parquet"):
        read_other_run(tmp_path / "absent.parquet", ours)
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(SoundmindError, match=r"text\.parquet"):
        read_other_run(tmp_path / "text.parquet", ours)
