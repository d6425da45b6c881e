"""Wiring of the evaluation stage."""

from kedro.pipeline import Node, Pipeline

from soundmind_pipeline.pipelines.evaluation import nodes, reporting


def create_pipeline() -> Pipeline:
    """Both policies answer the held-out problems, and so do baselines; all figures follow from the answers."""
    params = ["params:rl", "params:evaluation"]
    questions = ["feature_index", "log_mels"]
    answers = ["sft_predictions", "rl_predictions"]
    settings = ["params:sft", *params]
    return Pipeline(
        [
            Node(
                nodes.speak_in_other_voice,
                ["feature_index", "evaluation_work", "params:evaluation"],
                "other_voice_speech",
                name="speak_in_other_voice",
            ),
            Node(
                nodes.evaluate_sft,
                ["sft_policy", *questions, "evaluation_work", "live_metrics", *params],
                ["sft_predictions", "sft_sampled_predictions"],
                name="evaluate_sft",
            ),
            Node(
                nodes.evaluate_rl,
                [
                    "rl_policy",
                    *questions,
                    "question_speech",
                    "other_voice_speech",
                    "evaluation_work",
                    "live_metrics",
                    *params,
                ],
                ["rl_predictions", "rl_sampled_predictions"],
                name="evaluate_rl",
            ),
            Node(
                nodes.speak_answers,
                [*answers, "feature_index", "processor", "evaluation_work", "spoken_clips", "live_metrics", *params],
                "spoken_predictions",
                name="speak_policy_answers",
            ),
            Node(
                nodes.answer_baselines,
                ["rl_policy", "feature_index", "question_speech", "evaluation_work", *params],
                "baseline_predictions",
                name="answer_baselines",
            ),
            Node(
                nodes.join_predictions,
                [*answers, "spoken_predictions", "baseline_predictions"],
                "predictions",
                name="join_predictions",
            ),
            Node(
                nodes.join_predictions,
                ["sft_sampled_predictions", "rl_sampled_predictions"],
                "sampled_predictions",
                name="join_sampled_predictions",
            ),
            Node(
                nodes.assemble_metrics,
                ["predictions", "sampled_predictions", "feature_index", "params:evaluation"],
                ["evaluation_results", "evaluation_metrics", "form_accuracies"],
                name="assemble_metrics",
            ),
            Node(
                reporting.draw_figures,
                ["evaluation_results", "predictions", "sft_history", "rl_history"],
                "figures",
                name="draw_figures",
            ),
            Node(
                reporting.write_tables,
                ["evaluation_results", "feature_index", "ablation_summary"],
                "paper_tables",
                name="write_tables",
            ),
            Node(
                reporting.write_report,
                [
                    "evaluation_results",
                    "predictions",
                    "feature_index",
                    "question_speech",
                    "figures",
                    "paper_tables",
                    "ablation_summary",
                    "answers_origin",
                    *settings,
                ],
                "report",
                name="write_report",
            ),
        ],
        tags="evaluation",
    )
