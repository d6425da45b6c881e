"""Policies in the model registry: one version for each policy, the alias ``champion`` on the best."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.serving.champion import Decision, decide
from soundmind_pipeline.serving.package import DEV_ANSWERS, pack_model

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

logger = logging.getLogger("soundmind_pipeline")

CHAMPION: Final = "champion"


@dataclass(frozen=True)
class Candidate:
    """A policy and what is known of it."""

    policy: ModelFolder
    """Its folder."""
    dev_answers: pd.DataFrame | None
    """Its dev answers: ``uid``, ``problem``, ``right``, ``verdict``, ``response``; None without dev problems."""
    config: Mapping[str, Any]
    """How it answers: arguments of :class:`~soundmind_pipeline.serving.answering.Answerer`."""
    example: pd.DataFrame
    """A question as the model takes it."""
    tags: Mapping[str, str]
    """What else identifies it."""


def policy_digest(policy: ModelFolder) -> str:
    """SHA-256 over the files of a policy, its base's included if that is a local folder."""
    folders = [policy.path]
    if policy.is_adapter and policy.base.path.is_dir():
        folders.append(policy.base.path)
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(f"{file.relative_to(folder).as_posix()}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def version_of(client: "MlflowClient", name: str, digest: str) -> "ModelVersion | None":
    """The registered version of the policy with this digest, if there is one."""
    query = f"name = '{name}' and tags.`soundmind.policy_digest` = '{digest}'"
    return next(iter(client.search_model_versions(query, max_results=1)), None)


def register(client: "MlflowClient", run_id: str, name: str, candidate: Candidate, significance: float) -> Decision:
    """Make the policy a new version of the registered model ``name``; move ``champion`` to it if it is better.

    Args:
        client: Client of the store.
        run_id: The run that trained the policy.
        name: The registered model, made if it is not there.
        candidate: The policy.
        significance: Largest p value that counts as better.

    Returns:
        What became of the alias, and why.
    """
    accuracy = None if candidate.dev_answers is None else float(candidate.dev_answers["right"].mean())
    tags = {
        **candidate.tags,
        "soundmind.policy_digest": policy_digest(candidate.policy),
        **({} if accuracy is None else {"soundmind.dev_accuracy": f"{accuracy:.4f}"}),
    }
    model = _log_model(client, run_id, name, candidate, tags)
    if accuracy is not None:
        client.log_metric(run_id, "registry/dev_accuracy", accuracy, model_id=model.model_id)
    _ensure_model(client, name)
    # After the upload, which takes minutes for large policies: a server of many has no lock, and another may have
    # become champion meanwhile.
    champion = _champion(client, name)
    decision = (
        decide(candidate.dev_answers, _answers_of(client, champion), significance)
        if champion
        else Decision(True, "there was no champion before")
    )
    tags |= {
        "soundmind.compared_with": f"version {champion.version}" if champion else "",
        "soundmind.decision": decision.why,
    }
    # The location, not models:/<id>, which MLflow would look up in the store of its global settings.
    version = client.create_model_version(name, model.artifact_location, run_id, tags=tags, model_id=model.model_id)
    client.set_tag(run_id, "soundmind.model_version", f"{name}/{version.version}")
    if decision.promote:
        client.set_registered_model_alias(name, CHAMPION, version.version)
    now = f"version {version.version}" if decision.promote or champion is None else f"version {champion.version}"
    logger.info("Registered %s version %s; champion: %s (%s).", name, version.version, now, decision.why)
    return decision


def _log_model(
    client: "MlflowClient", run_id: str, name: str, candidate: Candidate, tags: Mapping[str, str]
) -> "LoggedModel":
    """Pack and upload the model. A model that could not be packed is marked as FAILED."""
    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment, name, source_run_id=run_id, tags=dict(tags), model_type="policy")
    status = "FAILED"
    try:
        # Beside the policy, so that its weights are linked and not copied.
        with TemporaryDirectory(prefix=".soundmind-registry-", dir=candidate.policy.path.parent) as folder:
            packed = Path(folder) / "model"
            pack_model(
                candidate.policy, packed, model.model_id, dict(candidate.config), candidate.example,
                candidate.dev_answers,
            )  # fmt: skip
            client.log_model_artifacts(model.model_id, str(packed))
        status = "READY"
    finally:
        client.finalize_logged_model(model.model_id, status)
    return model


def _ensure_model(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _champion(client: "MlflowClient", name: str) -> "ModelVersion | None":
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # no model, no alias
            raise
        return None


def _answers_of(client: "MlflowClient", version: "ModelVersion") -> pd.DataFrame | None:
    """The dev answers that lie in a version; None if it has none."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    source = client.get_model_version_download_uri(version.name, version.version)
    try:
        with TemporaryDirectory(prefix="soundmind-champion-") as folder:
            path = download_artifacts(
                f"{source}/artifacts/{DEV_ANSWERS}", dst_path=folder, tracking_uri=client.tracking_uri
            )
            return pd.read_parquet(path)
    except (MlflowException, OSError):
        return None
