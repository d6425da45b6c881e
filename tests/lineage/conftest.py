"""Two stages of three nodes, run by Kedro with the project's own stage hook, in a folder of their own."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from soundmind_pipeline import session
from soundmind_pipeline.hooks.stages import StageHooks
from soundmind_pipeline.stages import StageRecords

JSON = "soundmind_pipeline.datasets.json_file.JsonFileDataset"
WORK = "soundmind_pipeline.datasets.work_folder.WorkFolderDataset"
CODE = "src/soundmind_pipeline/pipelines/{}/pipeline.py"


def collect(raw, block):
    return {"questions": raw["questions"] * 2}


def release(drawn, work):
    (work / "scratch").write_text("x")
    return {**drawn, "released": True}


def index(manifest, block):
    return {"accuracy": {"rl": {"audio_to_text": len(manifest["questions"])}}}


def measure(feature_index):
    return {"mean": sum(feature_index["accuracy"]["rl"].values())}


PIPELINES = {
    "ingestion": Pipeline(
        [
            Node(collect, ["raw_data", "params:ingestion"], "drawn", name="collect"),
            Node(release, ["drawn", "work"], "manifest", name="release"),
        ],
        tags="ingestion",
    ),
    "features": Pipeline(
        [
            Node(index, ["manifest", "params:features"], "feature_index", name="index"),
            Node(measure, "feature_index", "measured", name="measure"),
        ],
        tags="features",
    ),
}


@dataclass
class TinyProject:
    path: Path
    parameters: dict = field(default_factory=lambda: {"ingestion": {}, "features": {}})
    catalog: dict = field(
        default_factory=lambda: {
            "raw_data": {"type": JSON, "filepath": "data/01_raw/raw.json"},
            "work": {"type": WORK, "filepath": "data/work"},
            "manifest": {"type": JSON, "filepath": "data/03_primary/manifest.json"},
            "feature_index": {"type": JSON, "filepath": "data/04_feature/feature_index.json"},
            "measured": {"type": JSON, "filepath": "data/08_reporting/measured.json"},
        }
    )

    @property
    def records(self) -> StageRecords:
        return StageRecords(self.path / "data/08_reporting/stages")

    def file(self, dataset: str) -> Path:
        return self.path / self.catalog[dataset]["filepath"]

    def run(self, *stages: str, nodes: tuple[str, ...] = (), only_missing_outputs: bool = False) -> StageHooks:
        """What `kedro run` does with the stages, or with some of their nodes."""
        pipeline = sum((PIPELINES[stage] for stage in stages), Pipeline([]))
        pipeline = pipeline.filter(node_names=nodes) if nodes else pipeline
        hooks, manager = StageHooks(), _create_hook_manager()
        manager.register(hooks)
        configuration = {"globals": {"data": "data"}, "parameters": self.parameters, "catalog": self.catalog}
        hooks.after_context_created(SimpleNamespace(project_path=self.path, env="tiny", config_loader=configuration))
        hooks.run_id, hooks.run_name = "a1b2c3d4e5", "tiny run"
        catalog = DataCatalog.from_config(self.catalog)
        for name, block in self.parameters.items():
            catalog[f"params:{name}"] = block
        run_params = {"only_missing_outputs": only_missing_outputs}
        hooks.before_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)
        SequentialRunner().run(pipeline, catalog, manager, only_missing_outputs=only_missing_outputs)
        return hooks


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> TinyProject:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "pipelines", PIPELINES)
    monkeypatch.setattr(logging.getLogger("soundmind_pipeline"), "propagate", True)
    (tmp_path / "data/01_raw").mkdir(parents=True)
    (tmp_path / "data/01_raw/raw.json").write_text(json.dumps({"questions": ["a", "b"]}))
    for stage in PIPELINES:
        (tmp_path / CODE.format(stage)).parent.mkdir(parents=True)
        (tmp_path / CODE.format(stage)).write_text(f"STAGE = '{stage}'\n")
    return TinyProject(tmp_path)
