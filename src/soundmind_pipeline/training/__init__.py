"""Training: the DeepSpeed engine, resumable checkpoints, supervised warm-up and reinforcement learning."""
