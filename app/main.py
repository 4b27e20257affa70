"""The Ray Serve application: `import_path: app.main:application`, one deployment."""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve._private import http_util
from ray.serve.config import BackpressureConfig
from ray.util import metrics as ray_metrics

from app.engine import media, statistics
from app.engine.engine import Engine, EngineDeadError, leave
from app.engine.kernels import keep_kernels
from app.engine.lifetime import end_with_raylet, tie_processes
from app.engine.logs import hide_texts, keep_logs
from app.engine.placement import deployment_placement
from app.engine.settings import (
    RESERVED_REQUESTS,
    EngineSettings,
    from_environment,
    installed_device,
)
from app.guard import handover
from app.guard.application import Guard
from app.guard.front import install as install_front
from app.metrics.export import MAX_RUNNING, RUNNING, START, Disk, Exporter, Gauges
from app.metrics.phases import Phases

logger = logging.getLogger("rayline.replica")

DEPLOYMENT = "VLLMDeployment"
# Serve gives up on a replica after three failures in a row: within 5 s of an engine's death.
HEALTH_PERIOD_SECONDS = 1.0
# A check only reads a flag, but it waits for the event loop; a long timeout keeps a burst of
# requests from ending a healthy engine.
HEALTH_TIMEOUT_SECONDS = 30.0
# How long a replica whose engine is dead still answers clients (503, Retry-After). Then it exits,
# which frees its GPUs for the next replica immediately; Serve would drain it first.
FAREWELL_SECONDS = 6.0
# Serve counts closing its listener as part of the drain, so it gets more time than the streams.
SHUTDOWN_MARGIN_SECONDS = 5.0


@serve.ingress()
class Replica:
    """One engine behind the guard, which passes requests to vLLM's application."""

    async def __init__(self) -> None:  # type: ignore[misc]  # Serve awaits it
        log_to_stderr()
        end_with_raylet()
        tie_processes()
        keep_logs(os.environ)
        handover.install()
        keep_kernels(os.environ)
        media.follow_no_redirects(os.environ)
        started = Phases()
        settings = from_environment(os.environ, installed_device())
        self._engine = Engine(settings, started)
        # Before the engine: a missing key must be reported before minutes of loading weights.
        self._guard = Guard.from_environment(
            self._engine, {"GUARD_MAX_RUNNING": str(settings.max_requests), **os.environ}
        )
        bounds = self._guard.bounds
        media.bound(os.environ, bounds.media_pixels, bounds.media_body_bytes)
        install_front(http_util, self._guard)  # Serve starts the replica's server after this
        exporter = replica_metrics(self._engine, self._guard, started)
        self._exporting = asyncio.create_task(exporter.keep_exporting())
        await self._engine.start()
        started.done()
        hide_texts()
        self._watch = asyncio.create_task(self._leave_when_engine_dies())

    def __serve_build_asgi_app__(self) -> Guard:
        return self._guard

    async def check_health(self) -> None:
        """Raises `EngineDeadError` once the engine is dead; Serve calls this every second."""
        if not self._engine.alive():
            raise EngineDeadError(self._engine.cause_of_death())

    async def __del__(self) -> None:
        """Serve calls this after the drain."""
        for task in ("_watch", "_exporting"):
            if hasattr(self, task):
                getattr(self, task).cancel()
        if hasattr(self, "_guard"):
            self._guard.close()
        if hasattr(self, "_engine"):
            await self._engine.close()

    async def _leave_when_engine_dies(self) -> None:
        cause = await self._engine.died()
        logger.error("Engine dead: %s. This replica exits; Ray starts another.", cause)
        await asyncio.sleep(FAREWELL_SECONDS)
        leave(1)


def replica_metrics(engine: Engine, guard: Guard, started: Phases) -> Exporter:
    """What this replica counts and measures, for Ray's metrics."""
    disk = Disk(os.environ.get("HF_HOME") or os.path.expanduser("~"))

    def gauges() -> Gauges:
        yield RUNNING, {}, guard.running
        yield MAX_RUNNING, {}, guard.max_running
        for phase, seconds in started.seconds.items():
            yield START, {"phase": phase}, seconds

    replica = serve.get_replica_context().replica_id.unique_id
    model = engine.model_names[0]
    sources = [gauges, disk.gauges]
    return Exporter(ray_metrics, model, replica, guard.counts, sources, statistics.refresh)


def log_to_stderr() -> None:
    """Send our own log lines to the worker's real standard error, unbuffered.

    In its throughput mode Serve redirects `sys.stderr` to a log that buffers a thousand lines and
    loses them when the process ends, and with them the reason why a replica exits.
    """
    ours = logging.getLogger("rayline")
    if ours.handlers:
        return
    handler = logging.StreamHandler(sys.__stderr__)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False


def application(args: Mapping[str, str]) -> Any:
    """Builds the application; Serve calls it with the configuration's `args`, which are unused.

    It is a function rather than an object made on import, so that importing this module has no
    effect and a wrong environment is an error of this call. Everything comes from the environment,
    which `runtime_env.env_vars` of the Serve configuration sets.
    """
    settings = from_environment(os.environ, installed_device())
    return serve.deployment(name=DEPLOYMENT, **deployment_options(settings))(Replica).bind()


def deployment_options(settings: EngineSettings) -> dict[str, Any]:
    """The deployment's options; a Serve configuration may still override them."""
    return {
        **deployment_placement(settings),
        "max_ongoing_requests": settings.max_ongoing_requests,
        # Beyond the guard's own limit and the reserve, refuse rather than queue without bound.
        "max_queued_requests": RESERVED_REQUESTS,
        "backpressure_config": BackpressureConfig(status_code=429, retry_after_s=1),
        "health_check_period_s": HEALTH_PERIOD_SECONDS,
        "health_check_timeout_s": HEALTH_TIMEOUT_SECONDS,
        "graceful_shutdown_timeout_s": settings.drain_seconds + SHUTDOWN_MARGIN_SECONDS,
        "graceful_shutdown_wait_loop_s": 0.5,
    }
