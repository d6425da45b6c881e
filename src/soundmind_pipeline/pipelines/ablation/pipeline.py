"""Wiring of the ablation."""

from kedro.pipeline import Node, Pipeline

from soundmind_pipeline.pipelines.ablation import nodes

BLOCKS = ["params:ablation", "params:rl"]


def create_pipeline() -> Pipeline:
    """Train and examine every arm and seed, then compare them."""
    asked = [
        "feature_index",
        "log_mels",
        "ablation_work",
        "live_metrics",
        "deepspeed_files",
        *BLOCKS,
        "params:evaluation",
    ]
    files = ["ablation_results", "ablation_table", "ablation_figure", "ablation_page", "ablation_latex"]
    return Pipeline(
        [
            Node(
                nodes.run_trials,
                ["sft_policy", *asked],
                ["ablation_predictions", "ablation_histories"],
                name="run_trials",
            ),
            Node(
                nodes.report_ablation,
                ["ablation_predictions", "ablation_histories", "live_metrics", *BLOCKS],
                files,
                name="report_ablation",
            ),
        ],
        tags="ablation",
    )
