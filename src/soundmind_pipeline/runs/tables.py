"""Answers, problem by problem, as the table that MLflow's Evaluation view compares across runs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import pandas as pd

if TYPE_CHECKING:
    from mlflow import MlflowClient

FINAL: Final = "rl"
"""The policy that a run ends with."""
TABLE: Final = "eval/predictions.json"
MAX_ROWS: Final = 5000
"""The view reads a table whole; the complete one is the artifact of the evaluation stage."""
COLUMNS: Final = (
    "policy", "setting", "uid", "question", "label", "verdict", "right", "response", "reward", "format_valid",
    "reasoning_correct", "tokens", "family", "form", "difficulty",
)  # fmt: skip


def evaluation_table(predictions: pd.DataFrame, questions: Mapping[str, str]) -> pd.DataFrame:
    """What people look at of the predictions: no controls, labels as words, the question beside its answer.

    Args:
        predictions: The predictions table.
        questions: uid → text of the question.
    """
    rows = predictions[predictions["control"] == "none"]
    # Runs are compared by the answers of the final policy: if the table is cut, it is not theirs that go.
    rows = rows.sort_values("policy", key=lambda policy: policy != FINAL, kind="stable").head(MAX_ROWS)
    table = rows.assign(
        question=rows["uid"].map(dict(questions)), label=rows["label"].map({0: "not entailed", 1: "entailed"})
    )
    return table[[column for column in COLUMNS if column in table]]


def log_evaluation_table(client: "MlflowClient", run_id: str, table: pd.DataFrame) -> None:
    """Log the table once: MLflow appends to one that is there, and a run that is continued would hold rows twice."""
    if TABLE not in client.get_run(run_id).data.tags.get("mlflow.loggedArtifacts", ""):
        client.log_table(run_id, table, TABLE)
