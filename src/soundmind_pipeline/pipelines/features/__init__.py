"""Features: what the model reads of the manifest's questions and answers."""

from soundmind_pipeline.pipelines.features.pipeline import create_pipeline

__all__ = ["create_pipeline"]
