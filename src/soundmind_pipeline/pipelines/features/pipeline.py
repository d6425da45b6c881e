"""Wiring of the feature stage."""

from kedro.pipeline import Node, Pipeline

from soundmind_pipeline.pipelines.features import nodes


def create_pipeline() -> Pipeline:
    """Manifest and speech → log-mels, processor and the feature index."""
    clips = ["manifest", "question_speech", "features_work"]
    return Pipeline(
        [
            Node(nodes.compute_log_mels, [*clips, "params:features"], "log_mels", name="compute_log_mels"),
            Node(nodes.prepare_processor, ["manifest", "params:features"], "processor", name="prepare_processor"),
            Node(nodes.index_features, ["manifest", "log_mels", "processor"], "feature_index", name="index_features"),
        ],
        tags="features",
    )
