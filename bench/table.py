"""Turns measured requests into the table: pure functions without clock or socket."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BARE = "bare vLLM"
HEADER = (
    "streams",
    "in front of the engine",
    "requests/s",
    "tokens/s",
    "of bare (rounds)",
    "first token p50 ms",
    "p99 ms",
    "added p50 ms (rounds)",
    "added to a request p50 ms (rounds)",
    "CPU us per token",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One streamed answer: seconds until its first text and its end, and tokens by its `usage`."""

    first_s: float
    total_s: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A few seconds of load. `cpu_s` is the CPU time of the client and all servers, `others_cpu_s`
    that of everything else."""

    seconds: float
    cpu_s: float
    others_cpu_s: float
    answers: tuple[Answer, ...]

    @property
    def requests_per_s(self) -> float:
        return len(self.answers) / self.seconds

    @property
    def tokens(self) -> int:
        return sum(answer.tokens for answer in self.answers)

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.seconds


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of a contender; `number` counts its turns with the same number of streams."""

    contender: str
    streams: int
    number: int
    turn: Turn


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def spread(values: Sequence[float], digits: int) -> str:
    """`median (minimum to maximum)` of one value per round."""
    median, minimum, maximum = statistics.median(values), min(values), max(values)
    return f"{median:.{digits}f} ({minimum:.{digits}f} to {maximum:.{digits}f})"


def row(own: Sequence[Round], bare: Sequence[Round]) -> tuple[str, ...]:
    """The cells of one contender, compared with bare vLLM turn by turn: noise affects both."""
    firsts = [answer.first_s * 1000 for one in own for answer in one.turn.answers]
    cells = (
        str(own[0].streams),
        own[0].contender,
        f"{statistics.median(one.turn.requests_per_s for one in own):.2f}",
        f"{statistics.median(one.turn.tokens_per_s for one in own):.0f}",
    )
    times = (f"{percentile(firsts, 50):.1f}", f"{percentile(firsts, 99):.1f}")
    cpu = f"{statistics.median(one.turn.cpu_s / one.turn.tokens for one in own) * 1e6:.0f}"
    if own[0].contender == BARE:
        return (*cells, "1", *times, "", "", cpu)
    pairs = [(mine.turn, theirs.turn) for mine, theirs in zip(own, bare, strict=True)]
    return (
        *cells,
        spread([mine.tokens_per_s / theirs.tokens_per_s for mine, theirs in pairs], 3),
        *times,
        spread([added(mine, theirs, lambda a: a.first_s) for mine, theirs in pairs], 1),
        spread([added(mine, theirs, lambda a: a.total_s) for mine, theirs in pairs], 1),
        cpu,
    )


def added(mine: Turn, theirs: Turn, seconds: Callable[[Answer], float]) -> float:
    """The difference of the medians of two turns, in milliseconds."""
    middles = [statistics.median(map(seconds, one.answers)) for one in (mine, theirs)]
    return (middles[0] - middles[1]) * 1000


def table(rounds: Sequence[Round]) -> list[tuple[str, ...]]:
    """Rows ordered by number of streams, then by each contender's first turn."""
    rows = []
    for streams in dict.fromkeys(one.streams for one in rounds):
        turns: dict[str, list[Round]] = {}
        for one in rounds:
            if one.streams == streams:
                turns.setdefault(one.contender, []).append(one)
        in_order = {name: sorted(own, key=lambda one: one.number) for name, own in turns.items()}
        rows += [row(own, in_order[BARE]) for own in in_order.values()]
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [HEADER, tuple("---" for _ in HEADER), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def order(names: Sequence[str], turn: int) -> list[str]:
    """The order of one turn: it rotates, so that no contender always follows the same one."""
    start = turn % len(names)
    return [*names[start:], *names[:start]]


def others(rounds: Sequence[Round]) -> str:
    """How busy the machine was with other work, in cores: the noise in the table."""
    return spread([one.turn.others_cpu_s / one.turn.seconds for one in rounds], 2)
