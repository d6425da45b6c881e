"""Supervised warm-up of the policy."""

from soundmind_pipeline.pipelines.sft.pipeline import create_pipeline

__all__ = ["create_pipeline"]
