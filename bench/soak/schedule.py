"""What happens when in a soak. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

KILLED = (
    *("engine", "controller", "replica", "worker's HAProxy", "worker's raylet"),
    *("engine", "control store"),
)
"""Parts of `bench.faults.processes`, in the order in which they are killed, again and again."""
KILL_SECONDS, ROTATION_SECONDS, DEPLOYMENT_SECONDS = 60, 300, 600
KILL, ROTATION, DEPLOYMENT = "kill", "rotation", "deployment"
LEADING_SECONDS = 30
"""Nothing happens before; a whole period apart from the end, so that consequences are seen."""


@dataclass(frozen=True, order=True)
class Action:
    """One disturbance, `at` seconds after the beginning; `part` only for kills."""

    at: float
    kind: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.kind} of {self.part}" if self.part else self.kind


def actions(minutes: float) -> list[Action]:
    """In the order of time. Rotations and deployments are between two kills, so that a failure has
    one cause; the last action is a minute before the end."""
    last = minutes * 60 - KILL_SECONDS
    found: list[Action] = []
    for number, at in enumerate(_times(LEADING_SECONDS, KILL_SECONDS, last)):
        found.append(Action(at, KILL, KILLED[number % len(KILLED)]))
    for kind, period in ((ROTATION, ROTATION_SECONDS), (DEPLOYMENT, DEPLOYMENT_SECONDS)):
        found += [Action(at, kind) for at in _times(period, period, last)]
    return sorted(_without_shared_times(found))


def _times(first: float, period: float, last: float) -> list[float]:
    count = int((last - first) // period) + 1 if last >= first else 0
    return [first + number * period for number in range(count)]


def _without_shared_times(found: Sequence[Action]) -> list[Action]:
    """One `up` deploys and rotates where both are due."""
    deployed = {action.at for action in found if action.kind == DEPLOYMENT}
    return [
        Action(action.at, f"{ROTATION} and {DEPLOYMENT}") if action.kind == DEPLOYMENT else action
        for action in found
        if not (action.kind == ROTATION and action.at in deployed)
    ]
