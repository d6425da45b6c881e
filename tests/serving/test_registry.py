"""A policy's way into the registry and back out of it."""

import base64
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pandas as pd
import pytest
import yaml

import soundmind_pipeline
from soundmind_pipeline.code_files import code_files
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.serving.package import CODE, pack_model
from soundmind_pipeline.serving.registry import Candidate, policy_digest, register, version_of

CONFIG = {"instruction": "does it follow?", "style": "think", "max_new_tokens": 5, "dtype": "float32"}
EXAMPLE = pd.DataFrame([{"audio": None, "question": "anna is rich but tom is sad."}])


def answers(right):
    return pd.DataFrame({"uid": range(len(right)), "problem": [f"p{i}" for i in range(len(right))], "right": right})


@pytest.fixture
def store(mlflow_store):
    """A client, a run of its own, and the name of a model that nobody else registers."""
    client, experiment = mlflow_store
    run_id = client.create_run(experiment).info.run_id
    return client, run_id, f"nano-{run_id}"


def test_the_alias_moves_to_better_versions_alone(store, adapter):
    client, run_id, name = store

    def enter(right):
        candidate = Candidate(adapter, answers(right), CONFIG, EXAMPLE, {"soundmind.env": "test"})
        return register(client, run_id, name, candidate, significance=0.05)

    assert enter([True] * 10 + [False] * 30).promote
    assert client.get_model_version_by_alias(name, "champion").version == 1
    assert not enter([True] * 12 + [False] * 28).promote
    assert client.get_model_version_by_alias(name, "champion").version == 1
    assert enter([True] * 30 + [False] * 10).promote
    assert client.get_model_version_by_alias(name, "champion").version == 3
    assert not enter([True] * 41).promote
    tags = client.get_model_version(name, "4").tags
    assert "other dev problems (40 of its 40 are among these 41)" in tags["soundmind.decision"]
    assert tags["soundmind.compared_with"] == "version 3"
    assert tags["soundmind.dev_accuracy"] == "1.0000"
    assert client.get_run(run_id).data.tags["soundmind.model_version"] == f"{name}/4"


def test_a_policy_is_found_again_by_its_weights(store, adapter):
    client, run_id, name = store
    digest = policy_digest(adapter)
    assert version_of(client, name, digest) is None
    register(client, run_id, name, Candidate(adapter, None, CONFIG, EXAMPLE, {}), significance=0.05)
    assert version_of(client, name, digest).version == 1
    base = ModelFolder(adapter.base.path)
    (base.path / "generation_config.json").write_text("{}")
    assert policy_digest(adapter) != digest


def test_the_model_answers_by_path_by_bytes_and_in_writing(store, adapter, wav):
    import mlflow

    client, run_id, name = store
    register(client, run_id, name, Candidate(adapter, None, CONFIG, EXAMPLE, {}), significance=0.05)
    source = client.get_model_version_by_alias(name, "champion").source
    model = mlflow.pyfunc.load_model(source)
    rows = [
        {"audio": str(wav), "question": None},
        {"audio": base64.b64encode(wav.read_bytes()).decode(), "question": None},
        {"audio": None, "question": EXAMPLE["question"][0]},
    ]
    table = model.predict(pd.DataFrame(rows))
    assert list(table.columns) == ["response", "verdict", "reason"]
    assert table["response"][0] == table["response"][1] != table["response"][2]
    assert list(model.predict(EXAMPLE.iloc[:0]).columns) == list(table.columns)
    assert model.predict(EXAMPLE)["response"][0] == table["response"][2]  # one column of two
    assert model.predict(pd.DataFrame([{"question": EXAMPLE["question"][0]}]))["response"][0] == table["response"][2]
    with pytest.raises(
        mlflow.exceptions.MlflowException, match="question 1: audio is neither a file nor base64"
    ) as error:
        model.predict(pd.DataFrame([{"audio": "none.wav"}]))
    assert error.value.get_http_status_code() == 400
    with pytest.raises(mlflow.exceptions.MlflowException, match="the columns audio, question"):
        model.predict(pd.DataFrame([{"wav": str(wav)}]))
    assert model.metadata.get_input_schema().input_names() == ["audio", "question"]
    assert model.input_example["question"].tolist() == EXAMPLE["question"].tolist()


def test_the_model_brings_the_code_that_it_needs():
    source = Path(soundmind_pipeline.__file__).parents[1]
    needed = code_files(["soundmind_pipeline.serving.model"], source)
    inside = {path.relative_to("src/soundmind_pipeline").parts[0] for path in needed}
    assert inside <= set(CODE), "serving/package.py: CODE"


ASKS = """
import sys, mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
print(model.predict(pandas.DataFrame([{"audio": sys.argv[2]}]))["response"][0])
"""


def installed_with(requirements, folder):
    """Link the packages that ``requirements`` names, and what they require in turn, into a folder of their own."""
    queue, known = [line.partition("==")[0] for line in requirements], set()
    while queue:
        name = re.sub("[-_.]+", "-", queue.pop()).lower()
        if name in known:
            continue
        known.add(name)
        try:
            package = distribution(name)
        except PackageNotFoundError:  # for other machines than this one
            continue
        queue += [re.match(r"[\w.-]+", line)[0] for line in package.requires or [] if "extra ==" not in line]
        for top in {file.parts[0] for file in package.files} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(package.locate_file(top))


@pytest.mark.slow
def test_the_model_hears_where_nothing_is_installed_but_what_it_names(store, adapter, wav, tmp_path):
    client, run_id, name = store
    register(client, run_id, name, Candidate(adapter, None, CONFIG, EXAMPLE, {}), significance=0.05)
    model = tmp_path / "elsewhere"
    shutil.copytree(client.get_model_version(name, "1").source.removeprefix("file://"), model)
    requirements = (model / "requirements.txt").read_text().splitlines()
    assert not any("+" in line for line in requirements)  # builds of this machine, which no index has
    (tmp_path / "packages").mkdir()
    installed_with(requirements, tmp_path / "packages")
    done = subprocess.run(
        [sys.executable, "-S", "-c", ASKS, str(model), str(wav)],  # -S: without this environment's packages
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "packages"), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()


def test_weights_are_linked_while_the_model_is_packed(adapter, tmp_path):
    out = tmp_path / "packed"
    pack_model(adapter, out, "m-0", CONFIG, EXAMPLE, None)
    packed = ModelFolder(out / "artifacts" / "policy")
    assert (packed.base.path / "model.safetensors").samefile(adapter.base.path / "model.safetensors")
    assert packed.checksums().keys() == adapter.checksums().keys()
    pack_model(adapter.base, tmp_path / "whole", "m-0", CONFIG, EXAMPLE, None)
    weights = tmp_path / "whole" / "artifacts" / "policy" / "model.safetensors"
    assert weights.samefile(adapter.base.path / "model.safetensors")
    size = yaml.safe_load((tmp_path / "whole" / "MLmodel").read_text())["model_size_bytes"]
    assert size > weights.stat().st_size


def test_a_hub_id_stays_a_hub_id(store, adapter):
    import json

    config = adapter.path / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": "Qwen/Qwen2.5-Omni-7B"}))
    client, run_id, name = store
    register(client, run_id, name, Candidate(adapter, None, CONFIG, EXAMPLE, {}), significance=0.05)
    source = Path(client.get_model_version(name, "1").source.removeprefix("file://"))
    packed = source / "artifacts" / "policy"
    assert ModelFolder(packed).base.path == Path("Qwen/Qwen2.5-Omni-7B")
    assert not (packed / "base").exists()


def test_nothing_of_the_registry_is_imported_before_it_is_needed():
    code = "import sys, soundmind_pipeline.settings; sys.exit('torch' in sys.modules or 'mlflow.pyfunc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
