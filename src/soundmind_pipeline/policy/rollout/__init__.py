"""Rollout engines: many sampled completions of a prompt, with the log-probabilities of the sampling policy."""
