"""vLLM's statistics in Ray's metrics, beside vLLM's own registry.

vLLM keeps its statistics in the registry of its own process, which is what GET /metrics shows.
Ray's agent on the node knows nothing of it. vLLM has a logger that writes to Ray's metrics; it
would replace the other one, so it is wrapped here (vllm/v1/metrics/loggers.py, StatLoggerManager).

Two more things differ. vLLM sets its gauges with each step only, and Ray forgets a gauge that was
not set for 20 s, so that an idle engine would vanish: `refresh` sets them again. And a counter
exists from the start, so that the first preemption is an increase and not a new series.
"""

import time
from typing import Any

_gauges: dict[tuple[Any, ...], tuple[Any, float]] = {}
"""The last value of each gauge, by name and labels, with what sets it."""


def refresh() -> None:
    """Set each gauge of this process's engine to its last value."""
    for gauge, value in list(_gauges.values()):
        gauge.set(value)


def loggers() -> list[Any]:
    """The classes for `stat_loggers` of vLLM's `AsyncLLM`."""
    from vllm.v1.metrics.loggers import AggregateStatLoggerBase
    from vllm.v1.metrics.ray_wrappers import (
        RayCounterWrapper,
        RayGaugeWrapper,
        RayPrometheusStatLogger,
    )

    class Gauge(RayGaugeWrapper):  # type: ignore[misc]  # vLLM has no types here
        def set(self, value: float) -> None:
            _gauges[self.metric.info["name"], *self._tags.values()] = self, value
            super().set(value)

        def set_to_current_time(self) -> None:
            """Only of what is now: the labels are the adapters that run."""
            super().set(time.time())

    class Counter(RayCounterWrapper):  # type: ignore[misc]
        def labels(self, *labels: Any, **named: Any) -> Any:
            counter = super().labels(*labels, **named)
            self.metric._record(0, counter._tags)  # `inc` refuses 0
            return counter

    class Logger(RayPrometheusStatLogger):  # type: ignore[misc]
        _gauge_cls = Gauge
        _counter_cls = Counter

    class RayStatistics(AggregateStatLoggerBase):  # type: ignore[misc]
        """vLLM's logger for Ray, which is not an instance of the one that it would replace."""

        def __init__(self, vllm_config: Any, engine_indexes: list[int]) -> None:
            self._logger = Logger(vllm_config, engine_indexes)

        def record(self, *arguments: Any, **named: Any) -> None:
            self._logger.record(*arguments, **named)

        def record_admission_rejection(self, reason: str) -> None:
            self._logger.record_admission_rejection(reason)

        def record_sleep_state(self, *arguments: Any, **named: Any) -> None:
            self._logger.record_sleep_state(*arguments, **named)

        def log_engine_initialized(self) -> None:
            self._logger.log_engine_initialized()

        def log(self) -> None:
            self._logger.log()

    return [RayStatistics]
