"""All baselines, in the columns of the predictions table."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.baselines.cascade import cascade_rows
from soundmind_pipeline.evaluation.baselines.endpoint import ask_endpoint
from soundmind_pipeline.evaluation.baselines.labels import label_rows
from soundmind_pipeline.evaluation.baselines.params import (
    BaselinesParams,
    EndpointBaseline,
    HeardOrRead,
    TransformersBaseline,
)
from soundmind_pipeline.evaluation.baselines.policies import is_policy, policy_rows
from soundmind_pipeline.evaluation.baselines.transformers import ask_transformers
from soundmind_pipeline.evaluation.marking import mark

if TYPE_CHECKING:
    from soundmind_pipeline.evaluation.predict import Examiner


def baseline_predictions(
    train: pd.DataFrame,
    samples: pd.DataFrame,
    speech: Mapping[str, np.ndarray],
    examiner: Callable[[], "Examiner"],
    work: Path,
    params: BaselinesParams,
) -> pd.DataFrame:
    """Everybody else's verdicts on the held-out problems, marked by the same scorer.

    Args:
        train: Problems that label statistics and shortcuts are taken from.
        samples: Held-out problems, as :func:`~soundmind_pipeline.evaluation.held_out.held_out` gives them.
        speech: uid → spoken question, float32 [samples], 16 kHz.
        examiner: Loads that of the final policy, which reads for the cascade and holds the scorer; not called where
            only labels and shortcuts are wanted, for weights may be 15 GB.
        work: Folder of replies that were paid for or took long; a run that is killed goes on from there.
        params: Who is asked.

    Returns:
        Rows of the predictions table with the baseline's name as ``policy``; empty without baselines.

    Raises:
        SoundmindError: A recogniser, model or endpoint cannot be used.
    """
    tables = [pd.DataFrame(label_rows(train, samples, params))]
    if params.cascade is None and not params.models:
        return tables[0]
    final = examiner()
    if params.cascade is not None:
        tables.append(cascade_rows(final, samples, speech, params.cascade))
    for model in params.models:
        asked: list[dict[str, Any]] = samples.head(model.problems or len(samples)).to_dict("records")  # type: ignore[assignment]
        tables += [_model_rows(model, setting, asked, speech, final, work) for setting in model.settings]
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def _model_rows(
    model: EndpointBaseline | TransformersBaseline,
    setting: HeardOrRead,
    asked: list[dict[str, Any]],
    speech: Mapping[str, np.ndarray],
    examiner: "Examiner",
    work: Path,
) -> pd.DataFrame:
    if isinstance(model, TransformersBaseline) and is_policy(model.model):
        return policy_rows(model, setting, pd.DataFrame(asked), speech, examiner)
    if isinstance(model, EndpointBaseline):
        answers = ask_endpoint(asked, speech, setting, model, work)
    else:
        answers = ask_transformers(asked, speech, setting, model, work)
    origin = {"policy": model.name, "setting": setting, "control": "none"}
    return pd.DataFrame(
        [
            origin
            | {"heard_uid": record["uid"] if setting == "audio_to_text" else None}
            | mark(record, answer, examiner.scorer)
            for record, answer in zip(asked, answers, strict=True)
        ]
    )
