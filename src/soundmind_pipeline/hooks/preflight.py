"""What a run will want at its end is looked for before it starts."""

from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

from soundmind_pipeline.evaluation.ablation.arms import arms_of
from soundmind_pipeline.evaluation.ablation.params import AblationParams
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.evaluation.spoken.checks import check_spoken_setup
from soundmind_pipeline.session import stages_of
from soundmind_pipeline.speech.packages import require_packages
from soundmind_pipeline.training.params import RlParams


class PreflightHooks:
    """Refuses a run whose speech packages are not installed, before anything is built."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Learn the parameters."""
        self._parameters: dict[str, Any] = context.config_loader["parameters"]

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Look for the packages that the stages of the run will want."""
        stages = stages_of(pipeline)
        if "evaluation" in stages:
            evaluation = EvaluationParams.model_validate(self._parameters.get("evaluation", {}))
            check_spoken_setup(evaluation.spoken)
            if "other_voice" in evaluation.controls:
                way_out = "leave other_voice out of evaluation.controls"
                require_packages("evaluation.other_voice", way_out, [evaluation.other_voice])
            if evaluation.baselines.cascade is not None:
                listeners = [evaluation.baselines.cascade.recogniser]
                require_packages("evaluation.baselines.cascade", "set it to null", listeners=listeners)
        rl = RlParams.model_validate(self._parameters.get("rl", {}))
        if "rl" in stages:
            _require_speech("rl.spoken", rl)
        if "ablation" in stages:
            ablation = AblationParams.model_validate(self._parameters.get("ablation", {}))
            for arm in arms_of(ablation, rl):
                _require_speech("ablation.rl.spoken", arm.params)


def _require_speech(block: str, rl: RlParams) -> None:
    """Look for what the rollouts are spoken with."""
    if rl.speaks:
        listeners = [rl.spoken.recogniser] if rl.spoken.closing_check == "recogniser" else []
        require_packages(block, f"set {block}.enabled: false", [rl.spoken.speech], listeners)
