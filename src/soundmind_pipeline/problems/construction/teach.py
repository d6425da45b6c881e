"""The teacher (the paper's section 3.2): reasoning and a verdict for every prompt.

The paper's teacher is DeepSeek-R1 under table 2's system prompt, and the published labels are its verdicts. Here the
source's label stays by default, and a teacher who differs is flagged (``label_conflict``); ``labels: teacher`` does as
the paper does. Verified problems can do without a model: their embedded teacher proves them, at known error rates.
"""

from pathlib import Path
from typing import Final

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.construction.params import TeacherParams
from soundmind_pipeline.problems.construction.prompts import TEACHER_SYSTEM, prompt_id
from soundmind_pipeline.problems.construction.reply import Reply, UnusableReplyError
from soundmind_pipeline.problems.construction.rows import (
    Answer,
    Rejection,
    Row,
    add_provenance,
    ask_rows,
    asked,
    place_of,
    records,
    reject,
)
from soundmind_pipeline.problems.params import FallacyRates
from soundmind_pipeline.problems.sources.rows import Reference, Rejected, reference_of, text_frame
from soundmind_pipeline.problems.verified.generate import teach_triplets
from soundmind_pipeline.rewards.scorer import LABELS
from soundmind_pipeline.rewards.verdict import CLOSE, OPEN, parse_verdict

BARE: Final = "Answer: {verdict}."
"""The reference of a row that nobody has reasoned about. SFT leaves such rows out: no teacher has given a verdict. The
length terms of the reward pay nothing against them."""

PROMPT: Final = prompt_id("table 2", TEACHER_SYSTEM)


def teach(
    rows: pd.DataFrame, params: TeacherParams, fallacies: FallacyRates, cache: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fill the reference columns where ``reference_answer`` is null; every other row is left as it is.

    Args:
        rows: Text columns of the sample table, with prompts.
        params: Which teacher.
        fallacies: The embedded teacher's error rates.
        cache: Folder that keeps the endpoint's replies between runs.

    Returns:
        The rows that have been taught, and the rejected ones with reasons (``sources.rows.REJECTED_COLUMNS``).

    Raises:
        SoundmindError: The embedded teacher is asked about rows that hold no verified problem; the endpoint cannot be
            used; the token budget ends.
    """
    untaught = rows["reference_answer"].isna()
    if not untaught.any():
        return rows, Rejected().frame()
    if params.kind == "none":
        return _state_labels(rows, untaught), Rejected().frame()
    if params.kind == "embedded":
        _require_problems(rows[untaught & rows["problem"].isna()])
        return teach_triplets(rows, fallacies), Rejected().frame()
    return _ask(rows, params, cache)


def _state_labels(rows: pd.DataFrame, untaught: "pd.Series[bool]") -> pd.DataFrame:
    """The rows whose reference is the bare label, where there is none: no reasoning, and no teacher's verdict."""
    filled = rows.copy()
    todo = list(records(rows[untaught]))
    filled.loc[untaught, "reference_answer"] = [BARE.format(verdict=LABELS[row["label"]]) for row in todo]
    filled.loc[untaught, "provenance"] = [add_provenance(row, "teacher", {"kind": "none"}) for row in todo]
    return filled


def _require_problems(strangers: pd.DataFrame) -> None:
    """Refuse rows that the embedded teacher cannot prove.

    Raises:
        SoundmindError: There are some.
    """
    if strangers.empty:
        return
    first = next(records(strangers))
    raise SoundmindError(
        f"ingestion.teacher.kind is embedded, and {len(strangers)} rows hold no verified problem that it could prove, "
        f"the first: {first['uid']} ({place_of(first)})",
        hint="Set ingestion.teacher.kind to endpoint (and ingestion.teacher.endpoint), or to none: no reasoning, which "
        "serves evaluation and RL without the length terms.",
    )


def read_proof(reply: Reply) -> Reference:
    """The reasoning and the verdict in a reply.

    Reasoning apart from the answer, or in ``<think>`` tags, is taken alone: what the model says between it and its
    answer is not kept. A model that does not think apart must reason before its last ``Answer:`` marker.

    Raises:
        UnusableReplyError: It keeps no verdict that the reward's parser accepts, or no reasoning.
    """
    reasoning, content = reply.parts()
    text = f"{OPEN}{reasoning}{CLOSE}\n{content}" if reasoning else content
    parsed = parse_verdict(text, "think" if reasoning else "plain")
    if parsed.verdict is None:
        raise UnusableReplyError(f"no verdict ({parsed.reason}): …{' '.join(content.split())[-80:]}")
    return reference_of(text)


def _ask(rows: pd.DataFrame, params: TeacherParams, cache: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    given = list(records(rows))
    conversations = [
        ({"role": "system", "content": TEACHER_SYSTEM}, {"role": "user", "content": row["user_content"]})
        for row in given
        if row["reference_answer"] is None
    ]
    outcomes = ask_rows(
        conversations,
        lambda _, reply: read_proof(reply),
        params.endpoint,
        params.attempts,
        cache / "teacher",  # a budget of its own
        "Teaching",
    )
    answers = iter(outcomes)
    done: list[Row] = []
    rejected = Rejected()
    for row in given:
        answer = None if row["reference_answer"] is not None else next(answers)
        if answer is None:
            done.append(row)
        elif isinstance(answer, Rejection):
            reject(rejected, row, f"teacher: {answer.reason}")
        else:
            done.append(_taught(row, answer, params))
    return text_frame(done), rejected.frame()


def _taught(row: Row, answer: Answer[Reference], params: TeacherParams) -> Row:
    reference = answer.value
    verdict_label = int(reference.verdict == "entailed")
    keeps_label = params.labels == "source" or row["problem"] is not None
    label = row["label"] if keeps_label else verdict_label
    return row | {
        "reference_reasoning": reference.reasoning,
        "reference_answer": reference.response,
        "reference_verdict": reference.verdict,
        "label": label,
        "label_conflict": label != verdict_label,
        "provenance": add_provenance(row, "teacher", asked(params.endpoint, PROMPT, answer)),
    }
