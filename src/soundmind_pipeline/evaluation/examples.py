"""The few spoken problems that the report shows in full, wrong answers first."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from soundmind_pipeline.evaluation.metrics import AFTER, BEFORE
from soundmind_pipeline.evaluation.players import Players
from soundmind_pipeline.problems.schema import is_null
from soundmind_pipeline.problems.verified.problems import read_problem
from soundmind_pipeline.problems.verified.teacher import correct_proof

ReadClip = Callable[[str], np.ndarray | None]
"""Path of a clip, relative to the project → float32 [samples], 16 kHz mono; None where it cannot be read."""

KINDS: Final = {
    (True, False): "spoilt by RL",
    (False, False): "wrong both times",
    (False, True): "corrected by RL",
    (True, True): "right both times",
}
"""(right before, right after) → what the gallery calls it, in its order."""
# Of eight examples: half are failures, because they are what one learns from.
_SHARES = {(True, False): 2, (False, False): 2, (False, True): 3, (True, True): 1}


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
    audio: str = ""
    """A ``data:`` URI of the spoken answer; empty where it was not spoken or the page is full."""
    transcript: str = ""
    """What a recogniser hears in it."""
    right_heard: bool | None = None
    """Whether the verdict of the transcript equals the label; None where the answer was not spoken."""


@dataclass(frozen=True)
class Example:
    """One spoken problem with the answers before and after RL."""

    uid: str
    form: str
    """Empty where the logical form is not known."""
    question: str
    truth: str
    audio: str
    """A ``data:`` URI of the spoken question; empty where the page is full."""
    reference: str
    """What the teacher wrote."""
    reference_right: bool
    """Whether the teacher's verdict equals the label."""
    yardstick: str
    """What reasoning is compared with: the right one where the logical form is known, else the teacher's."""
    before: Answer
    after: Answer

    @property
    def kind(self) -> str:
        """What RL did to it, one of :data:`KINDS`."""
        return KINDS[self.before.right, self.after.right]


def choose_examples(
    predictions: pd.DataFrame,
    samples: pd.DataFrame,
    waves: Mapping[str, np.ndarray],
    count: int,
    read_clip: ReadClip | None = None,
) -> list[Example]:
    """Problems that show where the policies fail and what RL changed; the same predictions give the same examples.

    Args:
        predictions: The predictions table.
        samples: The sample table with the problems of ``predictions``.
        waves: uid → spoken question, float32 [samples], 16 kHz mono.
        count: How many to choose at most.
        read_clip: Reads spoken answers; None leaves them out.

    Returns:
        About half that are wrong after RL, three in eight that RL corrected, one in eight right both times; where a
        kind is missing, others fill up. Within a kind every form comes once before any comes twice, and problems whose
        answers were spoken come first. Wrong answers stand first.
    """
    plain = predictions[predictions["control"] == "none"]
    rows = plain[plain["setting"] == "audio_to_text"]
    before, after = (rows[rows["policy"] == name].set_index("uid") for name in (BEFORE, AFTER))
    speech = _spoken_rows(plain) if read_clip else {}
    forms = after["form"].astype("object").fillna("")
    chosen = _choose_uids(before["right"], after["right"], forms, {uid for _, uid in speech}, count)
    questions = samples.set_index("uid").to_dict("index")
    asked = {BEFORE: before.to_dict("index"), AFTER: after.to_dict("index")}
    players = Players()
    # Every question before any answer: one answer of ten minutes would take the place of all the others.
    played = {uid: players.uri(waves[uid]) for uid in chosen}
    examples = []
    for uid in chosen:
        rows_of_uid = [(asked[name][uid], speech.get((name, uid))) for name in (BEFORE, AFTER)]
        answers = [_answer(row, spoken, players, read_clip) for row, spoken in rows_of_uid]
        examples.append(_example(uid, forms[uid], questions[uid], played[uid], *answers))
    order = list(KINDS.values())
    return sorted(examples, key=lambda example: (order.index(example.kind), example.uid))


def _example(
    uid: str, form: str, question: Mapping[Hashable, Any], audio: str, before: Answer, after: Answer
) -> Example:
    return Example(
        uid=uid,
        form=form,
        question=question["user_content"],
        truth="entailed" if question["label"] == 1 else "not entailed",
        audio=audio,
        reference=question["reference_answer"],
        reference_right=not question["label_conflict"],
        yardstick=_yardstick(question),
        before=before,
        after=after,
    )


def _spoken_rows(plain: pd.DataFrame) -> dict[tuple[str, str], Mapping[Hashable, Any]]:
    """(policy, uid) → the row of the spoken answer, where its clip was kept."""
    if "answer_audio" not in plain:
        return {}
    rows = plain[(plain["setting"] == "audio_to_audio") & plain["answer_audio"].notna()]
    return {(row["policy"], row["uid"]): row for row in rows.to_dict("records")}


def _choose_uids(before: pd.Series, after: pd.Series, forms: pd.Series, spoken: set[str], count: int) -> list[str]:
    """Uids by kind of change; within a kind every form once before any form twice, spoken ones first."""
    uids = sorted(set(before.index) & set(after.index), key=lambda uid: (uid not in spoken, uid))
    queues: dict[tuple[bool, bool], list[str]] = {}
    for kind in _SHARES:
        turn: dict[str, int] = {}
        ranked = []
        for uid in uids:
            if (bool(before[uid]), bool(after[uid])) == kind:
                turn[forms[uid]] = turn.get(forms[uid], -1) + 1
                ranked.append((turn[forms[uid]], uid not in spoken, uid))
        queues[kind] = [uid for *_, uid in sorted(ranked)]
    wanted = {kind: -(-share * count // sum(_SHARES.values())) for kind, share in _SHARES.items()}
    first = [uid for kind, queue in queues.items() for uid in queue[: wanted[kind]]][:count]
    rest = [uid for queue in queues.values() for uid in queue if uid not in first]
    return first + rest[: count - len(first)]


def _yardstick(question: Mapping[Hashable, Any]) -> str:
    if is_null(question["problem"]):
        return split_answer(str(question["reference_answer"]))[0]
    return correct_proof(read_problem(question["problem"])).reasoning


def split_answer(response: str) -> tuple[str, str]:
    """Reasoning without its tags, and the line that begins at the last ``Answer:``; empty where there is none."""
    cut = response.lower().rfind("answer:")
    reasoning, conclusion = (response, "") if cut < 0 else (response[:cut], response[cut:])
    return reasoning.replace("<think>", "").replace("</think>", "").strip(), conclusion.strip()


def _answer(
    row: Mapping[Hashable, Any],
    spoken: Mapping[Hashable, Any] | None,
    players: Players,
    read_clip: ReadClip | None,
) -> Answer:
    reasoning, conclusion = split_answer(str(row["response"]))
    speech: dict[str, Any] = {}
    if spoken is not None and read_clip is not None:
        wave = read_clip(str(spoken["answer_audio"]))
        speech["audio"] = "" if wave is None else players.uri(wave)
        speech["transcript"] = "" if is_null(spoken["transcript"]) else str(spoken["transcript"])
        speech["right_heard"] = None if is_null(spoken["right_heard"]) else bool(spoken["right_heard"])
    return Answer(
        reasoning=reasoning,
        conclusion=conclusion,
        right=bool(row["right"]),
        format_valid=bool(row["format_valid"]),
        reason="" if row["format_valid"] else str(row["reason"]),
        restated=None if is_null(row["restated"]) else bool(row["restated"]),
        reward=float(row["reward"]),
        **speech,
    )
