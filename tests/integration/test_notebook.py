"""The tour runs from top to bottom on the artifacts of a run."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOUR = Path(__file__).resolve().parents[2] / "notebooks" / "tour.ipynb"


@pytest.mark.slow
def test_the_tour_runs(project, monkeypatch):
    folder = project.path / "notebooks"
    folder.mkdir(exist_ok=True)
    shutil.copy(TOUR, folder)
    monkeypatch.setenv("SOUNDMIND_ENV", "smoke")
    notebook = nbformat.read(folder / TOUR.name, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    texts = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("rl_policy" in text for text in texts)
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("<audio" in data.get("text/html", "") for data in shown)
    assert any("image/svg+xml" in data for data in shown)


def test_the_tour_is_kept_without_outputs():
    notebook = nbformat.read(TOUR, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
