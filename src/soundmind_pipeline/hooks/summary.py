"""The last thing a user sees: what was reached, how long it took and where everything is."""

import json
import os
import resource
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from rich.console import Console

from soundmind_pipeline.hooks.stages import StageHooks
from soundmind_pipeline.hooks.tracking import TrackingHooks
from soundmind_pipeline.lineage.journal import renew
from soundmind_pipeline.session import stages_of
from soundmind_pipeline.stages import DAG_STAGES, StageRecords


class SummaryHooks:
    """Completes ``evaluation.json`` with the stages' times and prints what the run found."""

    def __init__(self, stages: StageHooks) -> None:
        self._stages = stages

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Learn where the reports and models of this environment stand."""
        self._project = Path(context.project_path)
        self._data = self._project / context.config_loader["globals"]["data"]

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Print what this run found in the data, and how the policies did if it evaluated them."""
        stages = stages_of(pipeline)
        if "audit" in stages:
            self._print_audit()
        if "evaluation" in stages:
            self._print_evaluation()
        if "ablation" in stages:
            self._print_ablation()
        trial = run_params["runtime_params"] or run_params["env"] not in (None, "base", "local")
        versioned = (self._project / ".git").exists() and (self._project / ".dvc").exists()
        if versioned and not trial and "DVC_STAGE" not in os.environ and self._stages.begun & set(DAG_STAGES):
            Console().print("DVC does not know of this run yet; `soundmind record` tells it.", style="dim")

    def _print_audit(self) -> None:
        path = self._data / "08_reporting" / "audit.json"
        if not path.exists():
            return
        from soundmind_pipeline.audit.summary import print_summary

        places = [path.with_suffix(".html").relative_to(self._project), path.relative_to(self._project)]
        print_summary(Console(), json.loads(path.read_text(encoding="utf-8")), places)

    def _print_evaluation(self) -> None:
        """Write the stages' ``seconds`` into the evaluation, then print the final table."""
        path = self._data / "08_reporting" / "evaluation.json"
        if not path.exists():
            return
        from soundmind_pipeline.evaluation.results_file import complete_results
        from soundmind_pipeline.evaluation.tables import print_summary

        records = StageRecords(self._data / "08_reporting" / "stages")
        evaluation = complete_results(path, records.seconds())
        renew(records, "evaluation", "evaluation_results", self._stages.hashes)
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # Linux counts in KiB
        places = {
            "peak memory": f"{kilobytes / 2**20:.1f} GiB",
            "report": self._shown(path.with_name("report.html")),
            "evaluation": self._shown(path),
            "SFT policy": self._shown(self._data / "06_models" / "sft"),
            "RL policy": self._shown(self._data / "06_models" / "rl_policy"),
            "MLflow run": f"{TrackingHooks.run_id} (make ui)",
        }
        print_summary(Console(), evaluation, places)

    def _print_ablation(self) -> None:
        path = self._data / "08_reporting" / "ablation" / "ablation.json"
        if not path.exists():
            return
        from soundmind_pipeline.evaluation.ablation.tables import print_summary

        places = [path.with_suffix(".html").relative_to(self._project), path.relative_to(self._project)]
        print_summary(Console(), json.loads(path.read_text(encoding="utf-8")), places)

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._project))
