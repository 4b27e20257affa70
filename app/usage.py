"""The tokens that a request really used, as the engine counts them.

The guard puts a `Usage` into `current` before it calls vLLM's application, and the engine's wrapper
adds to that object. Every task of the request shares it, so streamed bytes are never parsed to
count tokens.
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
        """The tokens that count against `tokens_per_minute`."""
        return self.prompt_tokens + self.completion_tokens


current: ContextVar[Usage | None] = ContextVar("rayline_usage", default=None)
