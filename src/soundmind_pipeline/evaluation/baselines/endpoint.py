"""A model behind an OpenAI-compatible endpoint, asked aloud or in writing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from soundmind_pipeline.evaluation.baselines.params import EndpointBaseline, HeardOrRead
from soundmind_pipeline.evaluation.players import wav_data_uri
from soundmind_pipeline.problems.construction.chat import Messages
from soundmind_pipeline.problems.construction.reply import Reply
from soundmind_pipeline.problems.construction.rows import Rejection, ask_rows

_AT_ONCE: Final = 64  # a minute of speech is 2.6 MB in a request


def ask_endpoint(
    records: list[dict[str, Any]],
    speech: Mapping[str, np.ndarray],
    setting: HeardOrRead,
    params: EndpointBaseline,
    work: Path,
) -> list[dict[str, Any]]:
    """The endpoint's answers; a request that fails for good is a badly formed answer with the reason in it.

    Args:
        records: Rows of the held-out problems.
        speech: uid → spoken question, float32 [samples], 16 kHz.
        setting: Whether it hears or reads them.
        params: Model and prompt.
        work: Folder of the replies that are paid for.

    Returns:
        ``response``, ``tokens`` (by the endpoint's count) and ``finished``, a problem.

    Raises:
        SoundmindError: The endpoint cannot be used, or the budget ends; replies so far are kept.
    """
    answers: list[dict[str, Any]] = []
    for start in range(0, len(records), _AT_ONCE):
        chats = [_conversation(record, speech, setting, params) for record in records[start : start + _AT_ONCE]]
        title = f"{params.name} {setting} {start + len(chats)}/{len(records)}"
        for outcome in ask_rows(chats, lambda _, reply: reply, params.endpoint, 1, work / "endpoint", title):
            if isinstance(outcome, Rejection):
                answers.append({"response": f"[no reply: {outcome.reason}]", "tokens": 0, "finished": False})
            else:
                answers.append(_answer(outcome.reply))
    return answers


def _conversation(
    record: Mapping[str, Any], speech: Mapping[str, np.ndarray], setting: HeardOrRead, params: EndpointBaseline
) -> Messages:
    system = {"role": "system", "content": params.prompt}
    if setting == "text_to_text":
        return (system, {"role": "user", "content": record["user_content"]})
    _, _, wave = wav_data_uri(speech[record["uid"]]).partition(",")
    part = {"type": "input_audio", "input_audio": {"data": wave, "format": "wav"}}
    return (system, {"role": "user", "content": [part]})


def _answer(reply: Reply) -> dict[str, Any]:
    """Reasoning that the server tells apart goes back into its tags: it is part of the response."""
    thought = f"<think>{reply.reasoning}</think>\n" if reply.reasoning else ""
    return {
        "response": thought + (reply.content or reply.refusal or ""),
        "tokens": reply.completion_tokens,
        "finished": reply.finish_reason == "stop",
    }
