"""The few spoken problems that the report shows in full."""

import base64
import io
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.metrics import AFTER, BEFORE
from soundmind_pipeline.problems.schema import is_null

SAMPLE_RATE = 16_000
# (right before, right after) → how many of eight examples; what RL changed comes first, failures are not hidden.
_SHARES = {(False, True): 4, (True, True): 2, (True, False): 1, (False, False): 1}


@dataclass(frozen=True)
class Answer:
    """One policy's answer to an example."""

    reasoning: str
    """Everything before the last ``Answer:``."""
    conclusion: str
    """The last ``Answer: …``; empty where there is none."""
    right: bool
    """Whether the verdict equals the label."""
    format_valid: bool
    """Whether the answer is well formed."""
    reason: str
    """Why it is not; empty if it is."""
    restated: bool | None
    """Whether the question stands in the reasoning word for word; None where the logical form is not known."""
    reward: float
    """Total reward."""


@dataclass(frozen=True)
class Example:
    """One spoken problem with the answers before and after RL."""

    uid: str
    form: str
    """Empty where the logical form is not known."""
    question: str
    truth: str
    audio: str
    """A ``data:`` URI of the spoken question, 16-bit WAV."""
    reference: str
    """What the teacher wrote."""
    reference_right: bool
    """Whether the teacher's verdict equals the label."""
    before: Answer
    after: Answer


def choose_examples(
    predictions: pd.DataFrame, samples: pd.DataFrame, waves: Mapping[str, np.ndarray], count: int
) -> list[Example]:
    """Problems that show what RL changed, different forms first; the same predictions give the same examples.

    Args:
        predictions: The predictions table.
        samples: The sample table with the problems of ``predictions``.
        waves: uid → spoken question, float32 [samples], 16 kHz mono.
        count: How many to choose at most.

    Returns:
        About half that RL corrected, a quarter right both times, the rest spoilt by RL or never right; where a kind
        is missing, others fill up.
    """
    rows = predictions[(predictions["setting"] == "audio_to_text") & (predictions["control"] == "none")]
    before, after = (rows[rows["policy"] == name].set_index("uid") for name in (BEFORE, AFTER))
    questions = samples.set_index("uid").to_dict("index")
    forms = after["form"].astype("object").fillna("")
    chosen = _choose_uids(before["right"], after["right"], forms, count)
    answers_before, answers_after = before.to_dict("index"), after.to_dict("index")
    return [
        Example(
            uid=uid,
            form=forms[uid],
            question=questions[uid]["user_content"],
            truth="entailed" if questions[uid]["label"] == 1 else "not entailed",
            audio=wav_data_uri(waves[uid]),
            reference=questions[uid]["reference_answer"],
            reference_right=not questions[uid]["label_conflict"],
            before=_answer(answers_before[uid]),
            after=_answer(answers_after[uid]),
        )
        for uid in chosen
    ]


def _choose_uids(before: pd.Series, after: pd.Series, forms: pd.Series, count: int) -> list[str]:
    """Uids by kind of change; within a kind every form once before any form twice."""
    uids = sorted(set(before.index) & set(after.index))
    queues: dict[tuple[bool, bool], list[str]] = {}
    for kind in _SHARES:
        members = [uid for uid in uids if (bool(before[uid]), bool(after[uid])) == kind]
        turn: dict[str, int] = {}
        ranked = []
        for uid in members:
            turn[forms[uid]] = turn.get(forms[uid], -1) + 1
            ranked.append((turn[forms[uid]], uid))
        queues[kind] = [uid for _, uid in sorted(ranked)]
    wanted = {kind: -(-share * count // sum(_SHARES.values())) for kind, share in _SHARES.items()}
    first = [uid for kind, queue in queues.items() for uid in queue[: wanted[kind]]][:count]
    rest = [uid for queue in queues.values() for uid in queue if uid not in first]
    return first + rest[: count - len(first)]


def _answer(row: Mapping[Hashable, Any]) -> Answer:
    response = str(row["response"])
    cut = response.lower().rfind("answer:")
    reasoning, conclusion = (response, "") if cut < 0 else (response[:cut], response[cut:])
    return Answer(
        reasoning=reasoning.replace("<think>", "").replace("</think>", "").strip(),
        conclusion=conclusion.strip(),
        right=bool(row["right"]),
        format_valid=bool(row["format_valid"]),
        reason="" if row["format_valid"] else str(row["reason"]),
        restated=None if is_null(row["restated"]) else bool(row["restated"]),
        reward=float(row["reward"]),
    )


def wav_data_uri(wave: np.ndarray) -> str:
    """A clip as a ``data:`` URI that a browser plays: 16-bit WAV, 16 kHz mono.

    Args:
        wave: float32 [samples] in [-1, 1].
    """
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.asarray(wave, dtype=np.float32), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
