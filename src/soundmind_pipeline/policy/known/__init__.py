"""Dimensions of published policies."""
