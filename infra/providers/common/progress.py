"""Progress lines: at each change, and now and then in between so that nobody thinks it hangs."""

from collections.abc import Callable

from infra.providers.common.clock import Clock

REPEAT_SECONDS = 20.0


class Progress:
    """Makes lines such as "Dolphin3.0: DEPLOYING, replica starting, 140 s of 1200 s"."""

    def __init__(self, show: Callable[[str], None], clock: Clock, deadline_seconds: float) -> None:
        self._show = show
        self._clock = clock
        self._began = clock.now()
        self._deadline = deadline_seconds
        self._last: str | None = None
        self._shown_at = self._began

    @property
    def elapsed(self) -> float:
        """Seconds since the work began."""
        return self._clock.now() - self._began

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._deadline - self.elapsed

    def state(self, state: str) -> None:
        """Show the state if it is new, or if the last line is 20 seconds old."""
        now = self._clock.now()
        if state == self._last and now - self._shown_at < REPEAT_SECONDS:
            return
        self._last, self._shown_at = state, now
        self._show(f"{state}, {self.elapsed:.0f} s of {self._deadline:.0f} s")
