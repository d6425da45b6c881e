"""A client for chat endpoints: retries, bounded concurrency, a cache on disk, a token budget, no secrets in sight.

The key is read from the environment when the client is made and goes into the request's header; it is in no parameter,
no log line, no error message and no cached reply.

A reply is paid for once: it is in the cache, together with the tokens spent so far, before anybody reads it. A run that
is killed and started again takes from there what it had. A request that the server answered too late (a timeout) may
have been billed unseen: the budget cannot count it.
"""

import asyncio
import hashlib
import json
import logging
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, Self

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.construction.budget import TokenBudget
from soundmind_pipeline.problems.construction.params import EndpointParams
from soundmind_pipeline.problems.construction.reply import Reply, UnusableReplyError, read_completion

logger = logging.getLogger(__name__)

Messages = Sequence[Mapping[str, Any]]
"""``role`` and ``content`` of each message; content is a text, or a list of parts (``text``, ``input_audio``)."""

SPENT: Final = "tokens spent"
"""Key of the cache under which the tokens of all runs are summed up."""

TOKENS_PER_MESSAGE: Final = 16
"""Room for what a chat template writes around one message."""

BASE64_PER_AUDIO_TOKEN: Final = 256
"""Characters of base64 WAV (16 kHz, 16 bits) that make one token at most: 167 tokens a second, models take 10 to 50."""

_FATAL: Final = {
    401: "the key is not accepted",
    402: "the account has no balance",
    403: "the key may not use this model",
    404: "there is no such address or model",
}


class RequestFailedError(Exception):
    """A request that got no reply, all retries included; says why."""


class ChatClient:
    """Asks one endpoint. Use it as an asynchronous context manager.

    Args:
        params: The endpoint and how to ask it.
        cache: Folder of the replies; made if absent. Replies are found by endpoint, model, messages, sampling settings
            and attempt, so another setting asks anew.

    Raises:
        SoundmindError: The environment variable that should hold the key is not set, or the extra is not installed.
    """

    def __init__(self, params: EndpointParams, cache: Path) -> None:
        self.params = params
        self._key = _read_key(params)
        self._sdk = _make_sdk(params, self._key)
        import diskcache

        # Paid replies must never be evicted, which diskcache does by default above 1 GB.
        self._cache = diskcache.Cache(str(cache), eviction_policy="none", size_limit=1 << 62)
        self._slots = asyncio.Semaphore(params.concurrency)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._failed_in_a_row = 0
        self.budget = TokenBudget(params.token_budget, self._cache.get(SPENT, 0))
        self.paid = self.found = self.prompt_tokens = self.completion_tokens = 0
        """Replies paid for and found in the cache, and the tokens of the paid ones, in this run."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._sdk.close()
        self._cache.close()

    @property
    def cost(self) -> float | None:
        """What this run has paid, in the currency of the prices; None without prices."""
        prompt, completion = self.params.prompt_price, self.params.completion_price
        if prompt is None or completion is None:
            return None
        return (prompt * self.prompt_tokens + completion * self.completion_tokens) / 1e6

    async def ask(self, messages: Messages, attempt: int = 0) -> Reply:
        """The reply to ``messages``, from the cache if it was given before.

        Args:
            messages: ``role`` and ``content`` of each message.
            attempt: Which reply to the same messages is wanted; each is its own draw.

        Raises:
            RequestFailedError: This request got no reply.
            SoundmindError: No request will: the key is refused, the model unknown, the budget spent, or
                ``give_up_after`` requests have failed in a row.
        """
        key = self._cache_key(messages, attempt)
        # A question that stands in two rows waits here for its twin instead of being paid twice.
        async with self._locks[key]:
            if (kept := self._cache.get(key)) is not None:
                self.found += 1
                return Reply.from_json(kept)
            async with self._slots:
                return await self._pay(key, messages, attempt)

    async def _pay(self, key: str, messages: Messages, attempt: int) -> Reply:
        # A token is at least one byte of text, so this can only be too much.
        prompt = sum(_most_tokens(message["content"]) + TOKENS_PER_MESSAGE for message in messages)
        reserved, spent = prompt + self.params.max_tokens, 0
        await self.budget.reserve(reserved)
        try:
            reply = await self._request(messages, attempt, prompt)
            spent = reply.tokens
            with self._cache.transact():
                self._cache.set(key, reply.to_json())
                self._cache.incr(SPENT, spent, default=0)
        except RequestFailedError as error:
            self._count_failure(error)
            raise
        finally:
            await self.budget.settle(reserved, spent)
        self._failed_in_a_row = 0
        self.paid += 1
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        return reply

    async def _request(self, messages: Messages, attempt: int, prompt_bound: int) -> Reply:
        """One request; the SDK retries what the server may do better next time, and we what it garbled."""
        import openai

        request = {"messages": list(messages), **self._settings(attempt)}
        fallback = (prompt_bound, self.params.max_tokens)
        reason = ""
        for retry in range(1 + self.params.max_retries):
            if retry:
                await asyncio.sleep(min(8.0, 0.25 * 2**retry))
            try:
                return read_completion(await self._sdk.chat.completions.create(**request), fallback)
            except (ValueError, openai.APIResponseValidationError) as error:
                reason = f"a reply that is no JSON ({self._clean(error)})"
            except UnusableReplyError as error:
                reason = str(error)
            except openai.APITimeoutError as error:
                raise RequestFailedError(f"no reply within {self.params.timeout_seconds:g} s") from error
            except openai.APIConnectionError as error:
                raise RequestFailedError(f"no connection ({self._clean(error.__cause__ or error)})") from error
            except openai.APIStatusError as error:
                self._raise_status(error)
        raise RequestFailedError(reason)

    def _raise_status(self, error: Any) -> NoReturn:
        """A status other than 200, after the SDK's retries."""
        status, message = error.status_code, self._clean(error)
        if status in _FATAL:
            variable = f" (environment variable {self.params.api_key_env})" if status in (401, 403) else ""
            raise SoundmindError(
                f"{self.params.base_url}, model {self.params.model}: {_FATAL[status]}{variable}: {message}",
                hint="Mend it and run the same command: replies so far are kept and will not be paid again.",
            ) from error
        raise RequestFailedError(message) from error

    def _count_failure(self, error: RequestFailedError) -> None:
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self.params.give_up_after:
            raise SoundmindError(
                f"{self.params.base_url}: {self._failed_in_a_row} requests in a row have failed; the last: {error}",
                hint="Replies so far are kept: run the same command once the endpoint is well, or lower "
                "endpoint.concurrency if it is overrun.",
            ) from error

    def _settings(self, attempt: int) -> dict[str, Any]:
        """The request without its messages; what is null is left to the server."""
        params = self.params
        # With one seed for all, a server would draw the same unusable reply again.
        seed = None if params.seed is None else params.seed + attempt
        sampling = {"temperature": params.temperature, "top_p": params.top_p, "seed": seed}
        return {
            "model": params.model,
            params.token_limit_key: params.max_tokens,
            **{name: value for name, value in sampling.items() if value is not None},
            **({"extra_body": dict(params.extra_body)} if params.extra_body else {}),
        }

    def _cache_key(self, messages: Messages, attempt: int) -> str:
        request = {
            "endpoint": self.params.base_url,
            "messages": [dict(message) for message in messages],
            "attempt": attempt,
            **self._settings(attempt),
        }
        return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()

    def _clean(self, error: object) -> str:
        """An error in at most 300 characters of one line, without the key, whatever the server echoes."""
        text = " ".join(str(error).split())
        return (text.replace(self._key, "***") if self._key else text)[:300]


def _most_tokens(content: str | Sequence[Mapping[str, Any]]) -> int:
    """More tokens than a message's content can be."""
    if isinstance(content, str):
        return len(content.encode())
    waves = [part["input_audio"]["data"] for part in content if part["type"] == "input_audio"]
    texts = [part["text"] for part in content if part["type"] == "text"]
    return sum(len(text.encode()) for text in texts) + sum(len(wave) // BASE64_PER_AUDIO_TOKEN + 1 for wave in waves)


def _read_key(params: EndpointParams) -> str:
    """The key, or an empty text for a server without keys."""
    if params.api_key_env is None:
        return ""
    key = os.environ.get(params.api_key_env, "").strip()
    if not key:
        raise SoundmindError(
            f"{params.host} needs a key: the environment variable {params.api_key_env} is not set",
            hint=f"export {params.api_key_env}=…, or set endpoint.api_key_env to the variable that holds it "
            "(null for a server without keys).",
        )
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise SoundmindError(
            f"The environment variable {params.api_key_env} holds a blank or a character that no key has",
            hint="Set it anew; its value is not shown here.",
        )
    return key


def _make_sdk(params: EndpointParams, key: str) -> Any:
    """The SDK's client; its retries cover 408, 409, 429, 5xx, timeouts and lost connections, honouring Retry-After."""
    try:
        import openai
    except ImportError as error:
        raise SoundmindError(
            "Asking an endpoint needs the openai package, which is not installed",
            hint="pip install 'soundmind-pipeline[teacher]'",
        ) from error
    # At INFO and DEBUG the SDK and its transport write a line a request, headers and messages among them.
    for name in ("openai", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return openai.AsyncOpenAI(
        api_key=key or "none",
        base_url=params.base_url,
        timeout=params.timeout_seconds,
        max_retries=params.max_retries,
    )
