"""SoundMind-RL."""

from soundmind_pipeline.pipelines.rl.pipeline import create_pipeline

__all__ = ["create_pipeline"]
