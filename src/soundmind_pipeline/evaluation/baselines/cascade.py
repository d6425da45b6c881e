"""The cascade: a recogniser writes the question down, and the final policy reads what it wrote."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.baselines.params import CascadeParams
from soundmind_pipeline.evaluation.conditions import Condition

if TYPE_CHECKING:
    from soundmind_pipeline.evaluation.predict import Examiner


def cascade_rows(
    examiner: "Examiner", samples: pd.DataFrame, speech: Mapping[str, np.ndarray], params: CascadeParams
) -> pd.DataFrame:
    """The final policy's answers to what a recogniser made of the spoken questions.

    Args:
        examiner: Of the final policy.
        samples: Held-out problems.
        speech: uid → spoken question, float32 [samples], 16 kHz.
        params: Recogniser, number of problems.

    Returns:
        Rows of the predictions table under audio → text: the policy reads, the cascade hears.

    Raises:
        SoundmindError: The recogniser or its weights are not installed.
    """
    from soundmind_pipeline.speech.recognisers.opening import open_recogniser
    from soundmind_pipeline.speech.word_errors import normalise

    asked = samples.head(params.problems)
    recogniser = open_recogniser(params.recogniser)
    heard = recogniser.transcribe_many(speech[uid] for uid in asked["uid"])
    if params.normalise:
        heard = [f"{normalise(text)}." for text in heard]
    rows = examiner.predict(asked.assign(user_content=heard), {}, Condition("text_to_text"))
    name = f"cascade: {params.recogniser.model} + {examiner.name}"
    return rows.assign(policy=name, setting="audio_to_text", heard_uid=rows["uid"], restated=None)
