import typing

import pytest
from kedro.runner import SequentialRunner

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.pipelines import audit
from soundmind_pipeline.pipelines.audit.nodes import audit_manifest
from soundmind_pipeline.pipelines.audit.params import AuditParams
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.schema import SAMPLE_COLUMNS, SAMPLE_DTYPES
from soundmind_pipeline.problems.verified.generate import generate_samples


@pytest.fixture(scope="module")
def manifest():
    frame = generate_samples(VerifiedParams(counts=SplitCounts(train=60, dev=10, test=20)))
    return frame.reindex(columns=list(SAMPLE_COLUMNS)).assign(question_seconds=3.0).astype(SAMPLE_DTYPES)


@pytest.fixture
def quarantine(manifest):
    return manifest.head(0).assign(place="", reason="", row="")[["uid", "place", "reason", "row"]]


def test_the_stage_leaves_the_audit_and_its_page(project_catalog, manifest, quarantine, tmp_path):
    catalog = project_catalog("audit", params_audit=AuditParams(), manifest=manifest, quarantine=quarantine)
    SequentialRunner().run(audit.create_pipeline(), catalog)
    document = catalog.load("audit_results")
    assert {name: split["rows"] for name, split in document["splits"].items()} == {"train": 60, "dev": 10, "test": 20}
    # The labels of generated problems are proved; what contradicts them is the teacher's slips.
    conflicts = manifest.groupby("split")["label_conflict"].sum().to_dict()
    assert {name: split["label_conflicts"] for name, split in document["splits"].items()} == conflicts
    assert conflicts["train"] > 0
    assert all(pair["shared_questions"] == 0 for pair in document["cross_split"].values())
    assert document["splits"]["dev"]["statistics"]["question_seconds"]["total"] == 30.0
    page = (tmp_path / "data/08_reporting/audit.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page == catalog.load("audit_page")


def test_tokens_are_counted_with_the_tokenizer_that_is_named(manifest, quarantine, tiny_processor, tmp_path):
    tiny_processor.tokenizer.save_pretrained(tmp_path / "tiny")
    document, _ = audit_manifest(manifest, quarantine, AuditParams(tokenizer=str(tmp_path / "tiny")))
    assert document["token_unit"] == "tokens of tiny"
    statistics = document["splits"]["train"]["statistics"]
    assert statistics["question_tokens"]["mean"] > statistics["question_words"]["mean"]
    with pytest.raises(SoundmindError, match="no such file"):
        audit_manifest(manifest, quarantine, AuditParams(tokenizer=str(tmp_path / "absent")))


def test_kedro_can_read_the_hints_and_nothing_heavy_is_imported(modules_after):
    [node] = audit.create_pipeline().nodes
    assert typing.get_type_hints(node.func)["params"] is AuditParams
    assert node.tags == {"audit"}
    heavy = {"torch", "librosa", "great_expectations", "transformers", "mlflow", "matplotlib", "tokenizers"}
    assert not heavy & modules_after("from soundmind_pipeline.pipelines import audit; audit.create_pipeline()")


def test_the_parameters_that_ship_are_the_defaults(base_parameters):
    assert AuditParams(**base_parameters("audit")) == AuditParams()
