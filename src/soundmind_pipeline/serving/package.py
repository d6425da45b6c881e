"""Packing a policy with its code as an MLflow model."""

import shutil
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pandas as pd

import soundmind_pipeline
from soundmind_pipeline.policy.export import export_adapter, link_or_copy
from soundmind_pipeline.policy.folder import ModelFolder

PACKAGE: Final = Path(soundmind_pipeline.__file__).parent
REQUIREMENTS: Final = (
    "mlflow", "torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers", "numpy", "pandas", "pydantic",
    "librosa", "soundfile", "soxr", "tqdm",
)  # fmt: skip
CODE: Final = (
    "__init__.py",
    "environment.py",
    "errors.py",
    "files.py",
    "params.py",
    "policy",
    "rewards",
    "serving",
    "speech",
)
"""What of this package answering needs; the rest would only be more files to upload and to download."""
DEV_ANSWERS: Final = "dev_answers.parquet"


def pack_model(
    policy: ModelFolder,
    out: Path,
    model_id: str,
    config: dict[str, Any],
    example: pd.DataFrame,
    dev_answers: pd.DataFrame | None,
) -> None:
    """Write an MLflow model that answers questions; it holds this package's code and needs no checkout.

    Args:
        policy: An adapter, whose base goes with it if it is a local folder and stays a hub id if it is one; or a whole
            policy.
        out: The new folder; on the disk of the policy its weights are linked, not copied.
        model_id: MLflow's id of the model.
        config: Arguments of :class:`~soundmind_pipeline.serving.answering.Answerer` beside the policy.
        example: Rows of the columns ``audio`` and ``question``.
        dev_answers: What the policy answered on dev; stays with the model for later comparisons.
    """
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ColSpec, Schema

    asked = Schema([ColSpec("string", name, required=False) for name in ("audio", "question")])
    told = Schema([ColSpec("string", name, required=name == "response") for name in ("response", "verdict", "reason")])
    model = Model(model_id=model_id)
    with TemporaryDirectory(prefix="soundmind-model-") as name:
        work = Path(name)
        # MLflow would copy the weights, 20 GB for a 7B: it gets an empty folder, which they go into below.
        (work / "policy").mkdir()
        artifacts = {"policy": str(work / "policy")}
        if dev_answers is not None:
            dev_answers.to_parquet(work / DEV_ANSWERS, index=False)
            artifacts["dev_answers"] = str(work / DEV_ANSWERS)
        _copy_code(work / PACKAGE.name)
        save_model(
            out,
            python_model=str(Path(__file__).with_name("model.py")),
            artifacts=artifacts,
            code_paths=[str(work / PACKAGE.name)],
            signature=ModelSignature(asked, told),
            input_example=example,
            model_config=config,
            # Builds such as 2.13.0+cpu are on no package index; the plain version admits them.
            pip_requirements=[f"{package}=={version(package).partition('+')[0]}" for package in REQUIREMENTS],
            mlflow_model=model,
        )
    inside = out / "artifacts" / "policy"
    if policy.is_adapter:
        export_adapter(policy, inside)
    else:
        shutil.copytree(policy.path, inside, copy_function=link_or_copy, dirs_exist_ok=True)
    model.model_size_bytes = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    model.save(str(out / "MLmodel"))


def _copy_code(target: Path) -> None:
    target.mkdir()
    for name in CODE:
        if (PACKAGE / name).is_dir():
            shutil.copytree(PACKAGE / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(PACKAGE / name, target / name)
