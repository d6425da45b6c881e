"""Wiring of the evaluation stage."""

from kedro.pipeline import Node, Pipeline

from soundmind_pipeline.pipelines.evaluation import nodes

FIGURES = ["curves_figure", "accuracy_figure", "forms_figure"]


def create_pipeline() -> Pipeline:
    """Both policies answer the held-out problems; figures, tables and report follow from their answers."""
    asked = ["feature_index", "log_mels", "live_metrics", "params:rl", "params:evaluation"]
    settings = ["params:sft", "params:rl", "params:evaluation"]
    return Pipeline(
        [
            Node(nodes.evaluate_sft, ["sft_policy", *asked], "sft_predictions"),
            Node(nodes.evaluate_rl, ["rl_policy", *asked], "rl_predictions"),
            Node(nodes.join_predictions, ["sft_predictions", "rl_predictions"], "predictions"),
            Node(
                nodes.assemble_metrics,
                ["predictions", "feature_index", "params:evaluation"],
                ["evaluation_results", "evaluation_metrics", "form_accuracies"],
            ),
            Node(nodes.draw_figures, ["evaluation_results", "sft_history", "rl_history"], FIGURES),
            Node(
                nodes.write_report,
                ["evaluation_results", "predictions", "feature_index", "question_speech", *FIGURES, *settings],
                "report",
            ),
        ],
        tags="evaluation",
    )
