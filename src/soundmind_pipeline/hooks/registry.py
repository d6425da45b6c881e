"""Every newly trained policy enters the model registry once it has been evaluated.

This is a hook and a command (`soundmind register`), not a stage: what it makes lies in MLflow's store and not in the
catalog, so that neither a stage record nor DVC's cache could tell whether the store of this moment has it. The registry
itself is asked, by the digest of the policy.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.gitinfo import git_commit
from soundmind_pipeline.params import Params
from soundmind_pipeline.serving.params import RegistrationParams
from soundmind_pipeline.session import stages_of
from soundmind_pipeline.stages import StageRecords
from soundmind_pipeline.tracking import one_at_a_time, open_experiment
from soundmind_pipeline.training.params import RlParams

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger("soundmind_pipeline")
Block = TypeVar("Block", bound=Params)


class RegistryHooks:
    """Registers the policy of a project folder."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Learn where the project stands and how its policies are registered."""
        self._project = Path(context.project_path)
        self._env = str(context.env or "base")
        reporting = self._project / context.config_loader["globals"]["data"] / "08_reporting"
        self._records = StageRecords(reporting / "stages")
        self._parameters = context.config_loader["parameters"]

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Register the policy that was just evaluated; a store that fails does not undo the evaluation."""
        if "evaluation" not in stages_of(pipeline) or not self._block("registration", RegistrationParams).enabled:
            return
        if self._records.read("evaluation") is None:  # a slice of the stage
            return
        try:
            self.register(catalog)
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            logger.warning("The policy was not registered: %s. `soundmind register` tries again.", reason)

    def register(self, catalog: CatalogProtocol) -> bool:
        """Register the policy in ``rl_policy``; False if the registry has it already."""
        from soundmind_pipeline.serving.candidate import prepare_candidate
        from soundmind_pipeline.serving.registry import policy_digest, register

        params = self._block("registration", RegistrationParams)
        policy = catalog.load("rl_policy")
        client, experiment = open_experiment(self._project)
        digest = policy_digest(policy)
        if _is_known(client, params.name, digest):
            return False
        candidate = prepare_candidate(
            policy,
            catalog.load("feature_index"),
            catalog.load("log_mels"),
            self._block("rl", RlParams),
            self._block("evaluation", EvaluationParams),
            params.problems,
            self._project,
            catalog.load("evaluation_work"),
            {"soundmind.env": self._env, "soundmind.git_commit": git_commit(self._project) or ""},
        )
        # Two that find no champion at the same time would both take its place, two with one policy enter it twice.
        with one_at_a_time(self._project, "registry"):
            if _is_known(client, params.name, digest):
                return False
            register(client, self._run(client, experiment), params.name, candidate, params.significance)
        return True

    def _run(self, client: Any, experiment: str) -> str:
        """The run that trained the policy, where this store knows it; else one made for the registration."""
        from mlflow.exceptions import MlflowException

        record = self._records.read("rl")
        if record and record.run_id:
            try:
                return str(client.get_run(record.run_id).info.run_id)
            except MlflowException:
                pass  # trained into another store
        run = client.create_run(experiment, run_name="register", tags={"soundmind.pipeline": "register"})
        client.set_terminated(run.info.run_id, "FINISHED")
        return str(run.info.run_id)

    def _block(self, name: str, model: type[Block]) -> Block:
        return model.model_validate(self._parameters.get(name, {}))


def _is_known(client: "MlflowClient", name: str, digest: str) -> bool:
    """Whether the registry has the policy; says which version it is."""
    from soundmind_pipeline.serving.registry import version_of

    if known := version_of(client, name, digest):
        logger.info("The policy is %s version %s already.", name, known.version)
    return known is not None
