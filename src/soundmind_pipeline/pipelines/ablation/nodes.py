"""Nodes of the ablation; what they do stands in :mod:`soundmind_pipeline.evaluation.ablation`.

Kedro reads the annotations when it lists pipelines, so every name in them is imported here, and heavy modules are
imported inside the functions.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.ablation.params import AblationParams
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.metrics import RunSink
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.training.params import RlParams


def run_trials(
    sft_policy: ModelFolder,
    feature_index: pd.DataFrame,
    log_mels: Mapping[str, np.ndarray],
    work: Path,
    live_metrics: RunSink,
    deepspeed_files: Mapping[str, dict[str, Any]],
    ablation: AblationParams,
    rl: RlParams,
    evaluation: EvaluationParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers of every arm's policies, and the histories of their trainings."""
    from soundmind_pipeline.evaluation.ablation.arms import arms_of
    from soundmind_pipeline.evaluation.ablation.trials import TrialInputs, run_all
    from soundmind_pipeline.training.deepspeed_config import choose_config

    asked = evaluation.model_copy(update={"max_problems": ablation.problems})
    arms = arms_of(ablation, rl)
    deepspeed = choose_config(deepspeed_files, arms[0].params)
    inputs = TrialInputs(sft_policy, feature_index, log_mels, deepspeed, asked)
    return run_all(arms, ablation, inputs, work, live_metrics)


def report_ablation(
    predictions: pd.DataFrame,
    histories: pd.DataFrame,
    live_metrics: RunSink,
    ablation: AblationParams,
    rl: RlParams,
) -> tuple[dict[str, Any], str, str, str, str]:
    """``ablation.json``, the table as CSV, the figure, the page, and table 7 in LaTeX."""
    from soundmind_pipeline.evaluation.ablation.arms import arms_of
    from soundmind_pipeline.evaluation.ablation.figure import draw_arms
    from soundmind_pipeline.evaluation.ablation.page import render_page
    from soundmind_pipeline.evaluation.ablation.results import assemble, parent_metrics
    from soundmind_pipeline.evaluation.ablation.tables import long_table
    from soundmind_pipeline.evaluation.paper_tables import ablation_table
    from soundmind_pipeline.evaluation.table_formats import to_latex

    results = assemble(predictions, histories, arms_of(ablation, rl))
    live_metrics.log(0, parent_metrics(results))
    drawn = draw_arms(results)
    table, latex = long_table(results).to_csv(index=False), to_latex(ablation_table(results))
    return results, table, drawn, render_page(results, drawn), latex
