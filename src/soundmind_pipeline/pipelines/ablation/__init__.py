"""The ablation: one RL run for each reward setting, algorithm and seed, from the same SFT policy."""

from soundmind_pipeline.pipelines.ablation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
