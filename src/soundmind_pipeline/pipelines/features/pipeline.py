"""Wiring of the feature stage."""

from kedro.pipeline import Node, Pipeline

from soundmind_pipeline.pipelines.features import nodes


def create_pipeline() -> Pipeline:
    """Manifest and speech → log-mels, processor and the feature index."""
    return Pipeline(
        [
            Node(nodes.compute_log_mels, ["manifest", "question_speech"], "log_mels", name="compute_log_mels"),
            Node(nodes.describe_speech, ["manifest", "question_speech"], "speech_descriptors", name="describe_speech"),
            Node(nodes.prepare_processor, ["manifest", "params:features"], "processor", name="prepare_processor"),
            Node(
                nodes.index_features,
                ["manifest", "speech_descriptors", "log_mels", "processor"],
                "feature_index",
                name="index_features",
            ),
        ],
        tags="features",
    )
