"""How long to wait for a hub that is busy or cannot be reached, before the run gives up.

The process waits by itself. The Job's own attempts are too few and too close together: hubs limit
the rate of requests in windows of five minutes (https://huggingface.co/docs/hub/rate-limits).
"""

import math
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from app.download.errors import DownloadError, Interrupted
from app.download.progress import Progress

T = TypeVar("T")

BUDGET = 1800.0
"""Seconds that a run waits in total without receiving anything new."""
MAX_PAUSE = 30.0
"""Longest pause in seconds if the hub does not say how long to wait."""


class Patience:
    """Decides about the pause before each retry, and when to give up.

    The budget starts anew whenever something was received. `sleep` takes seconds.
    """

    def __init__(
        self,
        progress: Progress,
        sleep: Callable[[float], None] = time.sleep,
        budget: float = BUDGET,
    ) -> None:
        self._progress = progress
        self._sleep = sleep
        self._budget = budget
        self._waited = 0.0
        self._failures = 0

    def received(self) -> None:
        """Something new arrived."""
        self._waited = 0.0
        self._failures = 0

    def wait(self, what: str, error: Interrupted) -> None:
        """Report why, and wait. Raises `DownloadError` once the budget does not suffice."""
        pause = error.pause
        if pause is None:
            pause = min(2.0**self._failures, MAX_PAUSE)
        self._failures += 1
        if self._waited + pause > self._budget:
            asked = f" and asks to wait {pause:.0f} s" if error.pause is not None else ""
            raise DownloadError(
                f"{what}: {error}{asked}. Gave up after {self._waited:.0f} s without progress; the "
                "next run continues here."
            ) from None
        self._waited += pause
        asked = ", as it asks" if error.pause is not None else ""
        self._progress.report(f"{what}: {error}; retrying in {pause:.0f} s{asked}")
        self._sleep(pause)

    def until_done(self, what: str, work: Callable[[], T]) -> T:
        """The result of `work`, which is repeated while it raises `Interrupted`."""
        while True:
            try:
                result = work()
            except Interrupted as error:
                self.wait(what, error)
            else:
                self.received()
                return result


def requested_pause(
    headers: Mapping[str, str], now: Callable[[], float] = time.time
) -> float | None:
    """Seconds that a refusal asks to wait; None if it does not say, or says it unreadably.

    `Retry-After` is a number of seconds or a date (RFC 9110, 10.2.3). The Hub sends `RateLimit:
    "api";r=0;t=55` too, where `t` is the rest of the window and `r` the requests left in it.
    """
    stated = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", stated):
        return math.ceil(float(stated))
    if stated:
        try:
            date = parsedate_to_datetime(stated)
        except ValueError:
            return None
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        left = (date - datetime.fromtimestamp(now(), UTC)).total_seconds()
        return max(math.ceil(left), 0.0)
    limit = re.search(r";\s*r=0\s*;\s*t=(\d{1,9})", headers.get("ratelimit", ""))
    return float(limit[1]) if limit else None
