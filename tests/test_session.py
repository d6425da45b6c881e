import pytest
from kedro.framework.project import configure_project, pipelines

from soundmind_pipeline.session import stages_above, stages_of, upstream_stages


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
