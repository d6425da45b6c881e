import pytest
from kedro.io import DatasetError

from soundmind_pipeline.datasets.site_folder import SiteFolderDataset

SITE = {"index.html": b"<a href='static/a.css'>", "static/a.css": b"a {}"}


def test_round_trip_replaces_the_whole_site(tmp_path):
    dataset = SiteFolderDataset(filepath=str(tmp_path / "docs"))
    assert not dataset.exists()
    dataset.save({"old.html": b"old"})
    dataset.save(SITE)
    assert dataset.exists()
    assert dataset.load() == SITE
    assert [path.name for path in tmp_path.iterdir()] == ["docs"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match="docs does not exist"):
        SiteFolderDataset(filepath=str(tmp_path / "docs")).load()


@pytest.mark.parametrize("name", ["../outside.html", "a/../../outside.html"])
def test_a_name_that_leads_outside_is_refused_and_the_old_site_stays(tmp_path, name):
    dataset = SiteFolderDataset(filepath=str(tmp_path / "docs"))
    dataset.save(SITE)
    with pytest.raises(DatasetError, match="leads out of"):
        dataset.save({"index.html": b"new", name: b"x"})
    assert dataset.load() == SITE
    assert [path.name for path in tmp_path.iterdir()] == ["docs"]
