"""The evaluation stage: SFT and RL policies on held-out problems, side by side."""

from soundmind_pipeline.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
