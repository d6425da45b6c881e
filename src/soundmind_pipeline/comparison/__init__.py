"""Runs of the MLflow store side by side: metrics with intervals, paired differences, parameters that differ."""
