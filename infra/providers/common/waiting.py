"""Waiting with a deadline, with progress on the screen, and with tolerance for brief bad states."""

from collections.abc import Callable

from infra.providers.common.call import Clock

POLL_SECONDS = 2.0
REPEAT_SECONDS = 20.0
"""An unchanged state is shown again after this many seconds, so that nothing appears to hang."""


class Waiting:
    """One wait, from its construction to its deadline.

    Shows lines such as "Dolphin3.0: DEPLOYING, replica starting, 140 s of 1200 s".
    """

    def __init__(
        self,
        show: Callable[[str], None],
        clock: Clock,
        deadline_seconds: float,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._show = show
        self._clock = clock
        self._began = clock.now()
        self._deadline = deadline_seconds
        self._poll = poll_seconds
        self._shown: str | None = None
        self._shown_at = self._began
        self._since: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the wait began."""
        return self._clock.now() - self._began

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._deadline - self.elapsed

    def until(self, turn: Callable[[], str | None]) -> bool:
        """Call `turn` until it returns None; False when the deadline passes first.

        A turn observes the current state, takes the one step that is missing, and returns what it
        now waits for. It does not remember what it sent, so a lost answer, a restart, or an
        interrupted earlier run needs no special case.
        """
        while self.remaining > 0:
            state = turn()
            if state is None:
                return True
            self._report(state)
            self._clock.sleep(self._poll)
        return False

    def lasts(self, condition: str, holds: bool) -> float:
        """Seconds for which a named condition has held continuously; -1 if it does not hold."""
        if not holds:
            self._since.pop(condition, None)
            return -1.0
        return self._clock.now() - self._since.setdefault(condition, self._clock.now())

    def _report(self, state: str) -> None:
        now = self._clock.now()
        if not state or (state == self._shown and now - self._shown_at < REPEAT_SECONDS):
            return
        self._shown, self._shown_at = state, now
        self._show(f"{state}, {self.elapsed:.0f} s of {self._deadline:.0f} s")
