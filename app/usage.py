"""The tokens that a request really used, as the engine counts them.

The guard puts a `Usage` into `current` before it calls vLLM's application, and the engine's wrapper
adds to that object. Every task of the request shares it, so streamed bytes are never parsed to
count tokens.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Usage:
    """Tokens of one HTTP request, over all of its prompts and choices."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_at: float | None = None
    """When the engine produced the first token, by `time.perf_counter`."""
    background: int = 0
    """Tasks that go on after the request was answered, for a later one to fetch their result."""
    _callbacks: list[Callable[[], None]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The tokens that count against `tokens_per_minute`."""
        return self.prompt_tokens + self.completion_tokens

    def background_began(self) -> None:
        """A task goes on in the background."""
        self.background += 1

    def background_ended(self) -> None:
        """A task in the background has ended."""
        self.background -= 1
        if not self.background:
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                callback()

    def when_over(self, callback: Callable[[], None]) -> None:
        """Call back when no more tokens can be added: now, or at the end of the last task."""
        if self.background:
            self._callbacks.append(callback)
        else:
            callback()


current: ContextVar[Usage | None] = ContextVar("rayline_usage", default=None)
