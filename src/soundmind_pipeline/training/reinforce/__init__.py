"""Critic-free policy-gradient algorithms as pure tensor functions; the trainer puts them together."""
