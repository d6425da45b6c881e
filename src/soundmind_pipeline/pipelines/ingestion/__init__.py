"""Ingestion: problems, their speech, and the manifest that every later stage reads."""

from soundmind_pipeline.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
