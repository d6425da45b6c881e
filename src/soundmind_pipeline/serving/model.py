"""The registered model as MLflow loads it: a file that is copied into the model ("models from code")."""

from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from soundmind_pipeline import environment
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.serving.answering import Answerer, Question


class SpokenReasoner(PythonModel):
    """Answers one question a row: columns ``audio`` and ``question`` in; ``response``, ``verdict``, ``reason`` out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the policy that lies in the model."""
        environment.prepare()
        self._answerer = Answerer(ModelFolder(context.artifacts["policy"]), **context.model_config)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """The answers, one row a question.

        Raises:
            MlflowException: A question cannot be answered; the server tells its client so with status 400.
        """
        # MLflow drops columns that it does not know: rows of a misspelled one would be no questions at all.
        if not {"audio", "question"} & set(model_input.columns):
            raise MlflowException.invalid_parameter_value("A question has the columns audio, question, or both.")
        columns = [_texts(model_input, name) for name in ("audio", "question")]
        questions = [Question(audio, text) for audio, text in zip(*columns, strict=True)]
        try:
            answers = [vars(answer) for answer in self._answerer.answer(questions)]
            return pd.DataFrame(answers, columns=["response", "verdict", "reason"])
        except SoundmindError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _texts(rows: pd.DataFrame, name: str) -> list[str | None]:
    """A column's texts; None where there is none, also where the whole column is missing."""
    values = rows[name] if name in rows else [None] * len(rows)
    return [value if isinstance(value, str) else None for value in values]


set_model(SpokenReasoner())
