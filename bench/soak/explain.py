"""Which disturbance explains which failure. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.faults.seen import Event
from bench.soak.schedule import DEPLOYMENT, Action

WINDOW_SECONDS = {
    "engine": 5.0,
    "replica": 5.0,
    "worker's HAProxy": 5.0,
    "worker's raylet": 15.0,
    "control store": 0.0,
    "controller": 0.0,
}
"""For how long requests that begin after a kill of this part may fail, where a second replica
serves: until the proxies have noticed."""
TOGETHER_SECONDS, UP_SECONDS = 90.0, 120.0
"""The window of a kill during a deployment, which replaces the other replica, and its length."""


@dataclass(frozen=True)
class Explained:
    """A failure with its cause; None: nothing explains it. `after` is from the action to it."""

    event: Event
    cause: Action | None
    after: float = 0.0


def explained(failures: Iterable[Event], actions: Sequence[Action]) -> list[Explained]:
    """The cause of a failure is the last kill before its end whose window reaches its beginning: a
    request that began before the kill of its replica is explained by it. Rotations and deployments
    explain nothing, because they must not cost a request."""
    found = []
    for event in failures:
        causes = [
            action
            for action in actions
            if action.part
            and action.at <= event.ended
            and event.began <= action.at + window(action, actions)
        ]
        cause = max(causes, default=None)
        found.append(Explained(event, cause, event.ended - cause.at if cause else 0.0))
    return found


def window(kill: Action, actions: Sequence[Action]) -> float:
    """Seconds."""
    deployments = [one.at for one in actions if DEPLOYMENT in one.kind]
    if any(0 <= kill.at - at < UP_SECONDS for at in deployments):
        return max(TOGETHER_SECONDS, WINDOW_SECONDS[kill.part])
    return WINDOW_SECONDS[kill.part]


def counted(found: Iterable[Explained]) -> list[tuple[str, str, str, int, float]]:
    """(kind, failure, cause, count, latest seconds after it), the most frequent first."""
    numbers: Counter[tuple[str, str, str]] = Counter()
    latest: dict[tuple[str, str, str], float] = {}
    for one in found:
        key = (one.event.kind, one.event.failure, str(one.cause or "unexplained"))
        numbers[key] += 1
        latest[key] = max(latest.get(key, 0.0), one.after)
    return [(*key, count, latest[key]) for key, count in numbers.most_common()]
