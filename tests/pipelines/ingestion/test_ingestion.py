import shutil
import typing

import numpy as np
import pytest
from kedro.io import DatasetError
from kedro.runner import SequentialRunner

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.pipelines import ingestion
from soundmind_pipeline.pipelines.features.params import FeaturesParams
from soundmind_pipeline.pipelines.features.pipeline import create_pipeline as create_features
from soundmind_pipeline.pipelines.ingestion.params import IngestionParams
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.schema import SAMPLE_COLUMNS, validate_row
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.speech.params import SpeechParams

TINY = IngestionParams(verified=VerifiedParams(counts=SplitCounts(train=20, dev=20, test=20)))

TEXT = ("collect_problems", "colloquialize", "teach")
CHECKS = ("plan_speech", "scan_speech", "build_manifest", "examine_manifest", "release_manifest")


def run(catalog, *nodes: str) -> None:
    pipeline = ingestion.create_pipeline()
    SequentialRunner().run(pipeline.only_nodes(*nodes) if nodes else pipeline, catalog)


def test_problems_become_speech_and_a_manifest(project_catalog, tmp_path, caplog):
    caplog.set_level("INFO", "soundmind_pipeline")
    catalog = project_catalog("ingestion", params_ingestion=TINY)
    run(catalog)
    manifest = catalog.load("manifest")
    assert tuple(manifest.columns) == SAMPLE_COLUMNS
    assert manifest["split"].value_counts().to_dict() == {"train": 20, "dev": 20, "test": 20}
    assert all(validate_row(row) == [] for row in manifest.to_dict("records"))
    for row in manifest.itertuples():
        assert row.question_audio == f"data/02_intermediate/speech/{row.uid}.wav"
        assert sha256_of(tmp_path / row.question_audio) == row.question_sha256
        assert 1.5 < row.question_seconds < 5
        assert 1 < row.question_speech_seconds <= row.question_seconds
        assert -40 < row.question_loudness_db < -10
    assert manifest["answer_audio"].isna().all()
    assert '"voice": "en-us"' in manifest["provenance"][0]
    assert len(catalog.load("quarantine")) == 0
    assert catalog.load("expectation_results")["success"]
    assert (tmp_path / "data/08_reporting/data_docs/index.html").is_file()
    assert "The manifest holds 20 train, 20 dev, 20 test rows: 0.0" in caplog.text


def test_the_same_parameters_give_the_same_bytes_with_any_number_of_workers(project_catalog, tmp_path):
    def checksums(speech: SpeechParams) -> dict[str, str]:
        catalog = project_catalog("ingestion", params_ingestion=TINY.model_copy(update={"speech": speech}))
        shutil.rmtree(catalog.load("speech_work"))
        run(catalog, *TEXT)
        run(catalog, "plan_speech", "speak_questions")
        speech_folder = catalog.load("question_speech")
        return {uid: sha256_of(speech_folder.path(uid)) for uid in speech_folder}

    first = checksums(SpeechParams(workers=1))
    assert checksums(SpeechParams(workers=3)) == first
    assert checksums(SpeechParams(seed=1)) != first


def test_damaged_speech_is_set_aside_with_its_reason_and_too_much_of_it_stops_the_stage(project_catalog, tmp_path):
    catalog = project_catalog("ingestion", params_ingestion=TINY)
    run(catalog, *TEXT, "plan_speech", "speak_questions", "speak_answers")
    speech = tmp_path / "data/02_intermediate/speech"
    (speech / "train/0003.wav").unlink()
    clip = speech / "test/0001.wav"
    clip.write_bytes(clip.read_bytes()[:-5000])
    with pytest.raises(SoundmindError, match="2 of 60 rows are in quarantine") as caught:
        run(catalog, *CHECKS)
    assert "train/0003 (data/02_intermediate/speech/train/0003.wav): question_audio: missing" in str(caught.value)
    quarantine = catalog.load("quarantine")
    assert quarantine["uid"].tolist() == ["train/0003", "test/0001"]
    assert quarantine["reason"].str.startswith(("question_audio: missing", "question_audio: truncated")).all()
    assert not catalog.exists("manifest")

    catalog["params:ingestion"].save(TINY.model_copy(update={"max_quarantined": 0.1}))
    run(catalog, *CHECKS)
    assert len(catalog.load("manifest")) == 58


def strict_about(params: IngestionParams) -> IngestionParams:
    return params.model_copy(update={"expectations": params.expectations.model_copy(update={"max_seconds": 2.5})})


def test_a_manifest_that_fails_its_expectations_is_not_saved_but_its_docs_are(project_catalog, tmp_path):
    catalog = project_catalog("ingestion", params_ingestion=strict_about(TINY))
    with pytest.raises(
        SoundmindError, match=r"expect_column_values_to_be_between\(question_seconds\): \d+ rows, first"
    ):
        run(catalog)
    assert not catalog.exists("manifest")
    assert catalog.load("expectation_results")["success"] is False
    assert (tmp_path / "data/08_reporting/data_docs/index.html").is_file()


def test_an_old_manifest_does_not_stay_beside_new_speech(project_catalog, tmp_path):
    catalog = project_catalog("ingestion", params_ingestion=TINY)
    run(catalog)
    before = {uid: sha256_of(catalog.load("question_speech").path(uid)) for uid in catalog.load("question_speech")}
    anew = strict_about(TINY.model_copy(update={"speech": SpeechParams(seed=1)}))
    catalog["params:ingestion"].save(anew)
    with pytest.raises(SoundmindError, match="question_seconds"):
        run(catalog)
    speech = catalog.load("question_speech")
    assert {uid: sha256_of(speech.path(uid)) for uid in speech} != before
    assert not catalog.exists("manifest")
    features = project_catalog("ingestion", "features", params_features=FeaturesParams())
    with pytest.raises(DatasetError, match=r"manifest\.parquet does not exist: run the stage that builds it first"):
        SequentialRunner().run(create_features().only_nodes("compute_log_mels"), features)


def test_speech_is_kept_until_the_manifest_is_released(project_catalog, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "soundmind_pipeline")
    catalog = project_catalog("ingestion", params_ingestion=strict_about(TINY))
    with pytest.raises(SoundmindError, match="question_seconds"):
        run(catalog)
    assert len(list(catalog.load("speech_work").iterdir())) == 60
    shutil.rmtree(tmp_path / "data/02_intermediate/speech")  # as DVC does before a stage
    monkeypatch.setattr("soundmind_pipeline.speech.espeak.EspeakEngine.speak_many", None)
    catalog["params:ingestion"].save(TINY)
    run(catalog)
    assert "60 of 60 questions were spoken already." in caplog.text
    assert len(catalog.load("manifest")) == len(catalog.load("question_speech")) == 60
    assert list(catalog.load("speech_work").iterdir()) == []


def test_kedro_can_read_the_parameter_types_and_nothing_heavy_is_imported(modules_after):
    for node in ingestion.create_pipeline().nodes:
        hints = typing.get_type_hints(node.func)
        assert "params" not in hints or hints["params"] is IngestionParams
        assert node.tags == {"ingestion"}
    heavy = {"torch", "librosa", "great_expectations", "transformers", "mlflow"}
    assert not heavy & modules_after("from soundmind_pipeline.pipelines import ingestion; ingestion.create_pipeline()")


def test_the_parameters_that_ship_are_the_defaults(base_parameters):
    assert IngestionParams(**base_parameters("ingestion")) == IngestionParams()


def test_speech_is_made_only_while_it_is_written(monkeypatch, tmp_path):
    from soundmind_pipeline.pipelines.ingestion import nodes
    from soundmind_pipeline.speech.espeak import EspeakEngine

    asked = []

    def fake(self, utterances):
        for utterance in utterances:
            asked.append(utterance.text)
            yield np.full(800, 0.5, dtype=np.float32)

    monkeypatch.setattr(EspeakEngine, "speak_many", fake)
    problems = generate_samples(VerifiedParams(counts=SplitCounts(train=2, dev=1, test=1)))
    clips = nodes.speak_questions(nodes.plan_speech(problems, {}, TINY), tmp_path, TINY)
    assert (len(clips), asked) == (4, [])
    assert next(iter(clips))[0] == "train/0001"
    assert asked == problems["user_content"].tolist()
