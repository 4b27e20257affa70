"""Ray's metrics port of the test's node, read as Prometheus reads it."""

import time
from collections import Counter
from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bench.serving.service import Service

Series = tuple[dict[str, str], float]


class Page:
    """The text of a page, and its series by name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = [line for line in text.splitlines() if not line.startswith("#")]
        self._series: dict[str, list[Series]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._series.setdefault(sample.name, []).append((sample.labels, sample.value))

    def __getitem__(self, name: str) -> list[Series]:
        return self._series.get(name, [])

    def counts(self) -> Counter[str]:
        """The number of series of each name."""
        return Counter({name: len(series) for name, series in self._series.items()})

    def value(self, name: str, wanted: Mapping[str, str], **more: str) -> float:
        """The value of the one series of ours with these labels."""
        all_wanted = {**wanted, **more}.items()
        (found,) = [value for labels, value in self[f"ray_{name}"] if all_wanted <= labels.items()]
        return found


def scraped(service: Service, name: str, seconds: float) -> Page:
    """The page, once it has a series of this name."""
    deadline = time.monotonic() + seconds
    while True:
        answer = httpx.get(f"http://127.0.0.1:{service.cluster.ports.metrics}/metrics", timeout=30)
        page = Page(answer.raise_for_status().text)
        if page[name]:
            return page
        assert time.monotonic() < deadline, f"no {name} after {seconds} s"
        time.sleep(1)
