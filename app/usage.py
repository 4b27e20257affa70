"""Tokens that a request really used, as the engine counts them.

The guard puts a `Usage` into `current` before it calls vLLM's application; the engine's wrapper
adds to that object. It is the same object in every task of the request, so streamed bytes are
never parsed to count tokens.
"""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Usage:
    """Tokens of one HTTP request, over all of its prompts and choices."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total(self) -> int:
        """What counts against tokens per minute."""
        return self.prompt_tokens + self.completion_tokens


current: ContextVar[Usage | None] = ContextVar("rayline_usage", default=None)
