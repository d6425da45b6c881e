"""Wiring of the SFT stage."""

from kedro.pipeline import Node, Pipeline

from soundmind_pipeline.pipelines.sft import nodes


def create_pipeline() -> Pipeline:
    """Build the policy, then warm it up on the teacher's answers."""
    asked = ["feature_index", "log_mels", "sft_work", "live_metrics", "deepspeed_files", "params:sft"]
    return Pipeline(
        [
            Node(nodes.build_policy, ["processor", "sft_work", "params:sft"], "policy_init", name="build_policy"),
            Node(nodes.warm_up, ["policy_init", *asked], ["sft_policy", "sft_history"], name="warm_up"),
        ],
        tags="sft",
    )
