"""What a chat endpoint answers, as it is kept in the cache and as it is read."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

_THOUGHT = re.compile(r"\s*<think>(?P<thought>.*?)</think>", re.DOTALL)


class UnusableReplyError(Exception):
    """A reply that arrived and cannot be used; another one may do."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply.

    Attributes:
        content: The text of the answer.
        reasoning: The chain of thought, where the server gives it apart from the answer.
        finish_reason: ``stop``; ``length`` if it was cut off; ``content_filter`` …
        refusal: The model's words where it refuses.
        prompt_tokens: Tokens of the request, by the server's count.
        completion_tokens: Tokens of the reply, reasoning included, by the server's count.
    """

    content: str
    reasoning: str | None
    finish_reason: str | None
    refusal: str | None
    prompt_tokens: int
    completion_tokens: int

    @property
    def tokens(self) -> int:
        """Tokens of the request and the reply."""
        return self.prompt_tokens + self.completion_tokens

    def to_json(self) -> str:
        """The reply as one line of JSON, which :meth:`from_json` reads back."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Reply":
        """Read what :meth:`to_json` wrote."""
        return cls(**json.loads(text))

    def parts(self) -> tuple[str, str]:
        """The reasoning and the answer, both stripped.

        The reasoning stands in a field of its own (``reasoning_content``, ``reasoning``) or at the start of the
        content in ``<think>`` tags, whose opening one some chat templates have already given; it is empty if there is
        none.

        Raises:
            UnusableReplyError: The model refused, was cut off, said nothing, or wrote half of a surrogate pair.
        """
        if self.refusal or self.finish_reason == "content_filter":
            raise UnusableReplyError(f"refused: {(self.refusal or 'content filter')[:200]}")
        if self.finish_reason == "length":
            raise UnusableReplyError(f"cut off after {self.completion_tokens:,} tokens (endpoint.max_tokens)")
        content, reasoning = self.content, self.reasoning or ""
        if not reasoning:
            if "</think>" in content and "<think>" not in content:
                content = f"<think>{content}"
            if thought := _THOUGHT.match(content):
                reasoning, content = thought["thought"], content[thought.end() :]
        if not content.strip():
            raise UnusableReplyError("an empty answer")
        try:
            (content + reasoning).encode()
        except UnicodeEncodeError:
            raise UnusableReplyError("half of a surrogate pair, which is no valid Unicode") from None
        return reasoning.strip(), content.strip()


def read_completion(completion: Any, fallback_tokens: tuple[int, int]) -> Reply:
    """The reply in a chat completion.

    Args:
        completion: The SDK's ``ChatCompletion``; anything else if the server sent none.
        fallback_tokens: Prompt and reply tokens to count if the server does not say.

    Raises:
        UnusableReplyError: It is no chat completion, or holds no choice.
    """
    choices = getattr(completion, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(choice, "message", None)
    if choice is None or message is None:
        raise UnusableReplyError("not a chat completion")
    content, refusal = getattr(message, "content", None), getattr(message, "refusal", None)
    # DeepSeek and older vLLM say `reasoning_content`, newer vLLM and OpenRouter `reasoning`.
    reasoning = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    if not isinstance(content, str | None) or not isinstance(reasoning, str | None):
        raise UnusableReplyError("a message whose content is no text")
    prompt, written = (
        value if isinstance(value := getattr(completion.usage, name, None), int) and value >= 0 else fallback
        for name, fallback in zip(("prompt_tokens", "completion_tokens"), fallback_tokens, strict=True)
    )
    refused = refusal if isinstance(refusal, str) else None
    return Reply(content or "", reasoning, choice.finish_reason, refused, prompt, written)
