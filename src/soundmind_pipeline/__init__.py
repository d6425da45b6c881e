"""SoundMind as a reproducible pipeline: data, SFT warm-up, SoundMind-RL and evaluation (arXiv 2506.12935)."""

__version__ = "0.1.0"
