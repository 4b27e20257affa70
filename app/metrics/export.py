"""Passes a replica's metrics on to Ray, whose agent on the node serves them to Prometheus.

Ray adds `ray_` to names, `_total` to those of counters, and labels of its own. A gauge that was not
set within two of Ray's reports, 20 s, disappears, so all of them are set in each round; a counter
stays as long as the node (ray/_private/telemetry/open_telemetry_metric_recorder.py).
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.metrics.counts import COUNTERS, Counts

PERIOD_SECONDS = 5.0
"""Between two rounds; Ray reports to its agent every 10 s."""
LABELS = ("model_name", "ReplicaId")
"""Of every metric, named as in vLLM's own."""
START, DISK = "rayline_start_seconds", "rayline_model_cache_bytes"
RUNNING, MAX_RUNNING = "rayline_running_requests", "rayline_max_running_requests"
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    START: ("Seconds of each phase of the replica's start.", ("phase",)),
    DISK: ("Bytes of the model cache's file system, and those that are free.", ("kind",)),
    RUNNING: ("Requests that the guard has given to the engine.", ()),
    MAX_RUNNING: ("Requests that the guard gives to the engine at the same time, at most.", ()),
}
Gauges = Iterable[tuple[str, Mapping[str, str], float]]
_log = logging.getLogger("rayline.metrics")


class Exporter:
    """The metrics of one replica. `library` is `ray.util.metrics`. In each round, each of `gauges`
    is asked, and `refresh` sets the gauges of others again."""

    def __init__(
        self,
        library: Any,
        model: str,
        replica: str,
        counts: Counts,
        gauges: list[Callable[[], Gauges]],
        refresh: Callable[[], None],
    ) -> None:
        own = dict(zip(LABELS, (model, replica), strict=True))
        self._counters = {
            name: library.Counter(name, text, (*labels, *LABELS)).set_default_tags(own)
            for name, (text, labels) in COUNTERS.items()
        }
        self._gauges = {
            name: library.Gauge(name, text, (*labels, *LABELS)).set_default_tags(own)
            for name, (text, labels) in GAUGES.items()
        }
        self._counts, self._sources, self._refresh = counts, gauges, refresh
        self._exported: dict[tuple[str, ...], int] = {}

    def export(self) -> None:
        """Pass on what has changed since the last call, and every gauge."""
        for name, labels, total in self._counts.sums():
            key = (name, *labels.values())
            new = total - self._exported.get(key, 0)
            if new:
                self._counters[name].inc(new, tags=labels)
                self._exported[key] = total
        for source in self._sources:
            for name, tags, value in source():
                self._gauges[name].set(value, tags=dict(tags))
        self._refresh()

    async def keep_exporting(self) -> None:
        """Export every `PERIOD_SECONDS`. An error is logged once and ends nothing."""
        failed = False
        while True:
            try:
                self.export()
            except Exception:
                if not failed:
                    _log.exception("Metrics could not be passed on to Ray.")
                failed = True
            await asyncio.sleep(PERIOD_SECONDS)


class Disk:
    """The size of a folder's file system. It may be a network's and hang, so that a thread asks."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._asked: asyncio.Future[Any] | None = None
        self._seen: dict[str, float] = {}

    def gauges(self) -> Gauges:
        """What the last answered question said; nothing before. Asks the next."""
        if self._asked is None or self._asked.done():
            if self._asked is not None and not self._asked.exception():
                self._seen = self._asked.result()
            self._asked = asyncio.get_running_loop().run_in_executor(None, _size, self._folder)
        return [(DISK, {"kind": kind}, value) for kind, value in self._seen.items()]


def _size(folder: str) -> dict[str, float]:
    found = os.statvfs(folder)
    return {
        "size": float(found.f_blocks * found.f_frsize),
        "free": float(found.f_bavail * found.f_frsize),
    }
