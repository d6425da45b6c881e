"""Wiring of the RL stage."""

from kedro.pipeline import Node, Pipeline

from soundmind_pipeline.pipelines.rl import nodes


def create_pipeline() -> Pipeline:
    """Fine-tune the SFT policy by reinforcement."""
    asked = ["feature_index", "log_mels", "rl_work", "live_metrics", "deepspeed_files", "params:rl"]
    outputs = ["rl_policy", "rl_history"]
    return Pipeline([Node(nodes.reinforce, ["sft_policy", *asked], outputs, name="reinforce")], tags="rl")
