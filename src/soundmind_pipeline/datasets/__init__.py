"""Kedro datasets of this project, one class a file."""
