"""Kedro pipelines: wiring and thin nodes, one package a stage."""
