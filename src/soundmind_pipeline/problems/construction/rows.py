"""Rows of the sample table on their way through the construction: asked about one by one, rejected with a reason."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import pandas as pd

from soundmind_pipeline.problems.construction.chat import ChatClient, Messages, RequestFailedError
from soundmind_pipeline.problems.construction.params import EndpointParams
from soundmind_pipeline.problems.construction.reply import Reply, UnusableReplyError
from soundmind_pipeline.problems.schema import is_null
from soundmind_pipeline.problems.sources.rows import Rejected

logger = logging.getLogger(__name__)

Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A reply that could be used.

    Attributes:
        value: What was read out of it.
        reply: The reply itself.
        attempt: Which attempt it was, from 1.
    """

    value: T
    reply: Reply
    attempt: int


class Rejection(NamedTuple):
    """Why a row has no answer."""

    reason: str


def ask_rows(
    conversations: Sequence[Messages],
    read: Callable[[int, Reply], T],
    endpoint: EndpointParams,
    attempts: int,
    cache: Path,
    title: str,
) -> list[Answer[T] | Rejection]:
    """Ask about every row, several at once, behind a progress bar with tokens and cost.

    Args:
        conversations: The messages of each row.
        read: Reads a reply, given the row's number and the reply; raises :class:`UnusableReplyError` for one that
            cannot be used, and another is asked for.
        endpoint: Whom to ask.
        attempts: Replies to ask for until one can be used.
        cache: Folder of the replies.
        title: What the progress bar says.

    Returns:
        The outcomes in the order of ``conversations``, whatever the order of the replies.

    Raises:
        SoundmindError: The endpoint cannot be used, or the budget ends; replies so far stay in the cache.
    """
    return asyncio.run(_ask_all(conversations, read, endpoint, attempts, cache, title))


async def _ask_all(
    conversations: Sequence[Messages],
    read: Callable[[int, Reply], T],
    endpoint: EndpointParams,
    attempts: int,
    cache: Path,
    title: str,
) -> list[Answer[T] | Rejection]:
    from tqdm import tqdm

    outcomes: list[Answer[T] | Rejection] = [Rejection("not asked")] * len(conversations)
    queue = iter(range(len(conversations)))
    async with ChatClient(endpoint, cache) as client:
        with tqdm(total=len(conversations), desc=title, unit="row", disable=None) as bar:

            async def work() -> None:
                for number in queue:
                    outcomes[number] = await _ask_one(client, conversations[number], partial(read, number), attempts)
                    bar.set_postfix_str(_spending(client), refresh=False)
                    bar.update()

            try:
                await asyncio.gather(*(work() for _ in range(min(endpoint.concurrency, len(conversations)))))
            finally:
                logger.info("%s: %s.", title, _spending(client))
    return outcomes


async def _ask_one(
    client: ChatClient, messages: Messages, read: Callable[[Reply], T], attempts: int
) -> Answer[T] | Rejection:
    reason = ""
    for attempt in range(attempts):
        try:
            reply = await client.ask(messages, attempt)
            return Answer(read(reply), reply, attempt + 1)
        except RequestFailedError as error:
            return Rejection(str(error))
        except UnusableReplyError as error:
            reason = str(error)
    return Rejection(f"{attempts} unusable replies, the last: {reason}")


def _spending(client: ChatClient) -> str:
    tokens = client.prompt_tokens + client.completion_tokens
    cost = "" if client.cost is None else f", cost {client.cost:.2f}"
    return f"{client.paid} replies paid, {client.found} cached, {tokens:,} tokens{cost}"


def records(rows: pd.DataFrame) -> Iterator[Row]:
    """The rows as dictionaries, every kind of null as None."""
    for row in rows.to_dict("records"):
        yield {str(name): None if is_null(value) else value for name, value in row.items()}


def reject(rejected: Rejected, row: Row, reason: str) -> None:
    """Set ``row`` aside with its place in the source, as its provenance tells it."""
    rejected.add(row["uid"], place_of(row), [reason], row)


def place_of(row: Row) -> str:
    """Where the row stands in its source, by its provenance."""
    origin = json.loads(row["provenance"])
    if "file" in origin:
        return f"{origin['file']}, line {origin.get('line', '?')}"
    return f"{origin.get('source', 'unknown source')}, {row['uid']}"


def add_provenance(row: Row, step: str, facts: Mapping[str, Any]) -> str:
    """The row's provenance with what one step of the construction adds."""
    return json.dumps({**json.loads(row["provenance"]), step: dict(facts)})


def asked(endpoint: EndpointParams, prompt: str, answer: Answer[Any]) -> dict[str, Any]:
    """The provenance of a reply. No date: the same replies give the same table."""
    return {
        "kind": "endpoint",
        "model": endpoint.model,
        "host": endpoint.host,
        "prompt": prompt,
        "attempt": answer.attempt,
        "prompt_tokens": answer.reply.prompt_tokens,
        "completion_tokens": answer.reply.completion_tokens,
    }
