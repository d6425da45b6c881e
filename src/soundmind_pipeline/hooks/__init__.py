"""Kedro hooks: stage records, MLflow tracking, the summary at the end."""
