"""One request of Pulumi's engine, as a provider's method uses it.

It reports progress and warnings to the user's screen, and delivers Ctrl-C: every wait goes through
`Call.clock.sleep` or `Call.run`, and both raise `CallCancelledError` when the engine asks to stop.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol, TypeVar

T = TypeVar("T")


class ProviderError(Exception):
    """An expected failure: its text is complete, and the user sees it without a stack trace."""


class CallCancelledError(ProviderError):
    """The user pressed Ctrl-C."""

    def __init__(self) -> None:
        super().__init__("interrupted; `pulumi up` continues from here")


class PartialFailureError(Exception):
    """The operation failed, but the resource exists. Raised by `Call.fail` for the engine."""

    def __init__(self, message: str, id_: str, outs: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.id = id_
        self.outs = dict(outs)


class Clock(Protocol):
    """Time in seconds that only moves forward, so that tests of waiting can fake it."""

    def now(self) -> float:
        """Seconds since an arbitrary start."""

    def sleep(self, seconds: float) -> None:
        """Wait. CallCancelledError if the engine asks to stop."""


class Run(Protocol):
    """Calls a function that may block, and returns its result."""

    def __call__(self, work: Callable[[], T]) -> T: ...


def directly(work: Callable[[], T]) -> T:
    """A `Run` that cannot be interrupted."""
    return work()


def in_thread(work: Callable[[], T]) -> Future[T]:
    """Starts `work` in a thread of its own, which does not keep the process alive."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class StoppableClock:
    """Real time, whose sleep ends with CallCancelledError when `stop` is set."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise CallCancelledError


@dataclass
class Call:
    """The request that is being handled."""

    status: Callable[[str], None]
    """Shows a line beside the resource while it is worked on; the next one replaces it."""
    warn: Callable[[str], None]
    """Shows a warning that stays on the screen after `pulumi up` has ended."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the user presses Ctrl-C."""

    @property
    def clock(self) -> Clock:
        """Real time, whose `sleep` ends when `stop` is set."""
        return StoppableClock(self.stop)

    def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, or CallCancelledError as soon as the user presses Ctrl-C.

        `work` runs in its own thread, because a blocked HTTP request cannot be interrupted:
        after Ctrl-C nobody waits for the thread, and it does not keep the process alive.
        """
        if self.stop.is_set():
            raise CallCancelledError
        future = in_thread(work)
        while not wait([future], 0.05).done:
            if self.stop.is_set():
                raise CallCancelledError
        return future.result()

    def fail(self, error: Exception, id_: str, outs: Mapping[str, Any]) -> NoReturn:
        """End the call with `error`, and have the engine keep `outs` as the resource's state.

        The engine then knows that the resource exists but is not as wanted: the next `up` calls
        `update`, even if the configuration was reverted meanwhile. After a plain exception the
        state would still contain the old configuration, and a revert would look like no change.
        """
        raise PartialFailureError(str(error), id_, outs) from error
