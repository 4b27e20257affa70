"""The result of a soak, as Markdown. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.faults.seen import Event, Seen
from bench.soak import flat
from bench.soak.explain import Explained, counted, explained
from bench.soak.flat import Growth, Sample
from bench.soak.schedule import Action

GOAL = 99.95
"""Per cent of requests that succeed."""


@dataclass(frozen=True)
class Deployed:
    """One `up` of the soak. `attempts` is how often it was typed until it succeeded, because a kill
    may make it fail; `error` is the last output of one that never did."""

    action: Action
    seconds: float
    attempts: int
    error: str = ""


@dataclass(frozen=True)
class Soak:
    """What was done and seen; all times are seconds since the beginning."""

    seconds: float
    events: Sequence[Event]
    actions: Sequence[Action]
    ups: Sequence[Deployed]
    samples: Sequence[Sample]

    @property
    def failures(self) -> list[Explained]:
        return explained(Seen(self.events).failures, self.actions)

    @property
    def unexplained(self) -> list[Explained]:
        return [one for one in self.failures if one.cause is None]

    @property
    def percent(self) -> float:
        """Of requests and streams that succeeded."""
        failed = len(Seen(self.events).failures)
        return 100 * (1 - failed / len(self.events)) if self.events else 0.0

    @property
    def growths(self) -> dict[str, tuple[Growth, Growth]]:
        found = {part: flat.growth(each) for part, each in flat.by_part(self.samples).items()}
        return {part: each for part, each in found.items() if each}

    @property
    def faults(self) -> list[str]:
        """What misses its goal, one sentence each."""
        return list(self._faults())

    def _faults(self) -> Iterator[str]:
        if not self.events:
            yield "nothing was asked"
        elif self.percent < GOAL:
            yield f"{self.percent:.3f} % of the requests succeeded, less than {GOAL} %"
        if self.unexplained:
            yield f"{len(self.unexplained)} failures have no cause"
        for up in self.ups:
            if up.error:
                yield f"the `up` of the {up.action} failed {up.attempts} times: {up.error}"
        for part, (memory, files) in self.growths.items():
            if not memory.is_flat:
                yield f"the memory of {part} grew by {memory.share:.1%}"
            if not files.is_flat:
                yield f"the descriptors of {part} grew by {files.share:.1%}"


def markdown(soak: Soak) -> str:
    """Tables of requests, failures, resources and `up`s, and what misses its goal."""
    lines = [
        f"{soak.seconds / 60:.0f} minutes, {len(soak.actions)} disturbances; "
        f"{soak.percent:.3f} % of {len(soak.events)} requests succeeded (goal: {GOAL} %).",
        "",
        *_table(("kind", "requests", "failed", "succeeded"), _kinds(soak.events)),
        *_table(
            ("kind", "failure", "cause", "count", "latest, s after it"),
            [
                (kind, failure, cause, str(count), f"{latest:.1f}")
                for kind, failure, cause, count, latest in counted(soak.failures)
            ],
        ),
        *_table(("part", "memory, MiB", "growth", "descriptors", "growth"), _growths(soak)),
        *_table(
            ("`up`", "at, s", "seconds", "attempts"),
            [
                (str(up.action), f"{up.action.at:.0f}", f"{up.seconds:.0f}", str(up.attempts))
                for up in soak.ups
            ],
        ),
        *(f"- Missed: {fault}." for fault in soak.faults),
    ]
    return "\n".join(lines) + "\n"


def _kinds(events: Sequence[Event]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for kind in sorted({event.kind for event in events}):
        own = Seen(events).of(kind)
        failed = sum(bool(event.failure) for event in own)
        rows.append((kind, str(len(own)), str(failed), f"{100 * (1 - failed / len(own)):.3f} %"))
    return rows


def _growths(soak: Soak) -> list[tuple[str, ...]]:
    return [
        (
            part,
            f"{memory.first / 2**20:.0f} to {memory.last / 2**20:.0f}",
            f"{memory.share:+.1%}",
            f"{files.first:.0f} to {files.last:.0f}",
            f"{files.share:+.1%}",
        )
        for part, (memory, files) in soak.growths.items()
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]
