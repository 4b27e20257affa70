"""Counts the requests that reached vLLM's application behind the guard, by its own metrics."""

import re
from collections import Counter

import httpx

from bench.serving.service import Service

_LINE = re.compile(
    r'http_requests_total\{handler="([^"]*)",method="([^"]*)",status="([^"]*)"\} (.*)'
)


def reached(service: Service) -> Counter[tuple[str, str]]:
    """Requests by (handler, status class such as "2xx"); vLLM does not count probes."""
    answer = httpx.get(f"{service.url}/metrics", headers=service.headers("admin"), timeout=30)
    counts: Counter[tuple[str, str]] = Counter()
    for handler, _, status, count in _LINE.findall(answer.raise_for_status().text):
        counts[handler, status] += int(float(count))
    return counts
