"""The audit stage: what is in the manifest, before anybody trains on it."""

from soundmind_pipeline.pipelines.audit.pipeline import create_pipeline

__all__ = ["create_pipeline"]
