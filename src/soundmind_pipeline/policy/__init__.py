"""The policy: a Qwen2.5-Omni Thinker with its processor, prompts, adapters, log-probabilities and rollouts."""
