"""The recorded scrapes of a real run, `recorded.txt`: what Ray's metrics port of a node said.

`python -m tests.app_live.record_metrics` makes it, with a real vLLM and Ray. A line is a series
with its value in each scrape, `-` where it was missing; the first line has the seconds of the
scrapes. Only series that a dashboard or an alert asks for are kept, and of their labels those that
are ours or vLLM's, or say which node it is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.specs.alerts import ALERTS
from infra.specs.dashboards.panels import OPERATOR, PER_MODEL

FILE = Path(__file__).with_name("recorded.txt")
LABELS = {
    *("GpuIndex", "ReplicaId", "RayNodeType", "engine", "finished_reason", "ip", "kind", "le"),
    *("model_name", "outcome", "phase", "reason", "role", "route", "status", "user"),
}
METRIC = re.compile(r"\b(?:ray_\w+|DCGM_\w+)")
WITHOUT_CARDS = re.compile(r"ray_node_g(?:pus|ram)_\w+|DCGM_\w+")
"""Metrics of cards, which the machine of the recording does not have."""
Values = Sequence[float | None]


@dataclass(frozen=True)
class Recording:
    """The seconds of the scrapes, and each series' values."""

    seconds: Sequence[float]
    series: Mapping[str, Values]

    def names(self) -> set[str]:
        """The names of all metrics."""
        return {text.partition("{")[0] for text in self.series}


def queries() -> Iterator[tuple[str, str]]:
    """Each query of a panel or an alert with its place, as it is written."""
    for page, panels in (("operator", OPERATOR), ("model", PER_MODEL)):
        for panel in panels:
            for number, (query, _) in enumerate(panel.queries):
                yield f"{page}: {panel.title} {number}", query
    for alert in ALERTS:
        yield f"alert: {alert.name}", alert.expression


def wanted() -> set[str]:
    """The metrics that queries name."""
    return {name for _, query in queries() for name in METRIC.findall(query)}


def read() -> Recording:
    """The committed recording."""
    first, *lines = FILE.read_text(encoding="utf-8").splitlines()
    series = {}
    for line in lines:
        text, _, values = line.rpartition("} ")
        series[text + "}"] = [None if v == "-" else float(v) for v in values.split()]
    return Recording([float(word) for word in first.split()[1:]], series)


def write(seconds: Sequence[float], pages: Sequence[Mapping[str, float]]) -> None:
    """Replace the recording by these pages, which have values by series."""
    names = sorted({series for page in pages for series in page})
    lines = [f"seconds {' '.join(f'{second:.0f}' for second in seconds)}"]
    for name in names:
        values = (page.get(name) for page in pages)
        lines.append(f"{name} {' '.join('-' if v is None else f'{v:.6g}' for v in values)}")
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def series(name: str, labels: Mapping[str, str]) -> str:
    """A series with the labels that are kept."""
    kept = sorted((key, value) for key, value in labels.items() if key in LABELS and value)
    inside = ",".join(f'{key}="{value}"' for key, value in kept)
    return f"{name}{{{inside}}}"


def exposition(recording: Recording, start: float, more: str) -> Iterable[str]:
    """The samples as OpenMetrics with times from `start`, in seconds, for promtool's backfilling.
    `more` are labels that a scrape adds to each series."""
    by_name: dict[str, list[str]] = {}
    for text, values in recording.series.items():
        name, _, labels = text.partition("{")
        inside = ",".join(filter(None, (more, labels[:-1])))
        for second, value in zip(recording.seconds, values, strict=True):
            if value is not None:
                line = f"{name}{{{inside}}} {value} {start + second:.0f}"
                by_name.setdefault(name, []).append(line)
    for name, lines in by_name.items():
        # Without a type, so that no suffix of a name is judged.
        yield f"# TYPE {name} unknown"
        yield from lines
    yield "# EOF"
