"""What may be spent: tokens are reserved before a request and settled after it, so a budget is never exceeded."""

import asyncio

from soundmind_pipeline.errors import SoundmindError


class TokenBudget:
    """Tokens spent and reserved against a limit.

    Args:
        limit: Most tokens, prompts and replies together; None is no limit.
        spent: Tokens that earlier runs have spent.
    """

    def __init__(self, limit: int | None, spent: int = 0) -> None:
        self.limit = limit
        self.spent = spent
        self._reserved = 0
        self._settled = asyncio.Condition()

    async def reserve(self, tokens: int) -> None:
        """Set ``tokens`` aside, once requests under way have left room for them.

        Args:
            tokens: Most that the request can cost.

        Raises:
            SoundmindError: They do not fit, and nothing is under way that could make room.
        """
        async with self._settled:
            while self.limit is not None and self.spent + self._reserved + tokens > self.limit:
                if not self._reserved:
                    raise SoundmindError(
                        f"The token budget ends here: {self.spent:,} of {self.limit:,} tokens are spent, and the next "
                        f"request may take {tokens:,}.",
                        hint="Every reply so far is kept and will not be paid again: raise endpoint.token_budget (or "
                        "lower endpoint.max_tokens) and run the same command.",
                    )
                await self._settled.wait()
            self._reserved += tokens

    async def settle(self, reserved: int, spent: int) -> None:
        """Give back what was ``reserved`` for a request that has ``spent`` so many tokens (0 if it failed)."""
        async with self._settled:
            self._reserved -= reserved
            self.spent += spent
            self._settled.notify_all()
