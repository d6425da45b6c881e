from types import SimpleNamespace

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project, pipelines
from kedro.framework.session import KedroSession
from kedro.utils import load_obj

from soundmind_pipeline.configuration import LOADER_ARGUMENTS
from soundmind_pipeline.errors import explain
from soundmind_pipeline.session import SoundmindSession, stages_above, stages_of, upstream_stages


@pytest.fixture(scope="module", autouse=True)
def project():
    configure_project("soundmind_pipeline")


@pytest.mark.parametrize(
    ("pipeline", "above"),
    [
        ("ingestion", []),
        ("audit", ["ingestion"]),
        ("features", ["ingestion"]),
        ("sft", ["ingestion", "features"]),
        ("rl", ["ingestion", "features", "sft"]),
        ("evaluation", ["ingestion", "features", "sft", "rl"]),
        ("ablation", ["ingestion", "features", "sft"]),
        ("__default__", []),
    ],
)
def test_nothing_but_what_a_pipeline_rests_on_is_above_it(pipeline, above):
    # The audit is read by people alone: no later stage waits for it, or continues its lineage.
    assert stages_above(pipelines[pipeline]) == above
    assert upstream_stages([pipeline]) == above


def test_the_whole_dag_audits_before_it_trains():
    stages = stages_of(pipelines["__default__"])
    assert stages.index("ingestion") < stages.index("audit") < stages.index("features")


def test_pipelines_named_together_do_not_build_each_other():
    assert upstream_stages(["features", "audit"]) == ["ingestion"]


@pytest.mark.parametrize("error", [OSError("the summary's disk is full"), KeyboardInterrupt()])
def test_hooks_are_told_of_whatever_ends_a_run(monkeypatch, error):
    def fail(*_, **__):
        raise error

    told = []
    monkeypatch.setattr(KedroSession, "run", fail)
    monkeypatch.setattr(SoundmindSession, "_get_config_loader", lambda self: {"parameters": {}})
    session = object.__new__(SoundmindSession)
    session._hook_manager = SimpleNamespace(
        hook=SimpleNamespace(on_pipeline_error=lambda **what: told.append(what["error"]))
    )
    with pytest.raises(type(error)):
        session.run()
    assert told == [error]


@pytest.mark.parametrize(
    "give",
    [
        lambda: pipelines["evaluation"].filter(from_nodes=["write_reprot"]),
        lambda: pipelines["evaluation"].filter(node_names=["write_reprot"]),
        lambda: pipelines["evaluation"].filter(to_outputs=["reprot"]),
        lambda: pipelines["evaluation"].filter(node_namespaces=["evaluation"]),
        lambda: pipelines["evaluation"].filter(tags=["evalution"]),
        lambda: load_obj("FastRunner", "kedro.runner"),
    ],
    ids=["from_nodes", "nodes", "to_outputs", "namespaces", "tags", "runner"],
)
def test_a_mistyped_option_of_kedro_run_is_one_message(give):
    with pytest.raises((ValueError, AttributeError)) as raised:
        give()
    assert explain(raised.value).hint


@pytest.mark.parametrize(
    ("content", "given", "named"),
    [
        ("sft:\n  seed: [1\n", {}, "parameters_sft.yml, unable to read line 2"),
        ("sft:\n  seed: a: b\n", {}, "parameters_sft.yml, unable to read line 1"),
        ("sft:\n  phases: [{steps: 1}]\n", {"sft": {"phases": {"0": {"steps": 2}}}}, "a key inside a list"),
    ],
    ids=["open bracket", "second colon", "key of a list"],
)
def test_parameters_that_cannot_be_read_are_one_message(tmp_path, content, given, named):
    for name in ("base", "local"):
        (tmp_path / name).mkdir()
    (tmp_path / "base" / "parameters_sft.yml").write_text(content)
    with pytest.raises(Exception) as raised:
        OmegaConfigLoader(str(tmp_path), **LOADER_ARGUMENTS, runtime_params=given)["parameters"]
    told = explain(raised.value)
    assert told.hint and named in str(told)
