"""The vLLM engine of one replica and vLLM's own OpenAI application around it."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

from app.cache_salt import salted
from app.engine.arguments import parse
from app.engine.cancellation import AbortsWithClient, BackgroundTasks
from app.engine.client import engine_client
from app.engine.counting import Counter, counted_beams
from app.engine.settings import EngineSettings
from app.engine.startup_error import Output
from app.engine.unreadable import answer_unreadable
from app.engine.watchdog import kill_children, until_stuck
from app.metrics import phases

logger = logging.getLogger("rayline.engine")

WARM_UP_SECONDS = 600.0  # the first step may compile


class EngineDeadError(RuntimeError):
    """The engine's process has ended; only a new replica can recover."""


class EngineStartError(RuntimeError):
    """The engine's processes ended during startup; the message is the first error among them."""


class Engine:
    """One engine from start to end; the guard's backend.

    `app` is vLLM's application, and None until the engine is up. Every endpoint, parameter and byte
    of an answer is vLLM's: this class only starts, counts, watches and stops.
    """

    def __init__(self, settings: EngineSettings, measured: phases.Phases | None = None) -> None:
        self.app: Any = None
        self._phases = measured or phases.Phases()
        self._settings = settings
        self._client: Any = None
        self._processes: dict[str, int] = {}
        self._warm = False
        self._stuck = ""
        self._watchdog: asyncio.Task[None] | None = None
        self._resources = AsyncExitStack()

    async def start(self) -> None:
        """Loads the model, builds the application and generates a first token.

        Takes as long as loading the weights. Raises `ConfigurationError` for arguments that vLLM
        rejects and `EngineStartError` with the cause if the engine's own process failed; other
        errors of vLLM pass through.
        """
        with self._phases.phase(phases.IMPORT):
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.entrypoints.launchers.api_server.app_state import init_app_state
            from vllm.entrypoints.launchers.app import build_app
            from vllm.utils.gc_utils import freeze_gc_heap

            arguments = parse(self._settings.arguments)
        started, output = time.monotonic(), Output()
        try:
            with self._phases.phase(phases.ENGINE):
                client = await self._resources.enter_async_context(
                    engine_client(AsyncEngineArgs.from_cli_args(arguments))
                )
        except RuntimeError as error:
            cause = output.first_error()
            if not cause:
                raise
            raise EngineStartError(cause) from error
        self._client = client
        count_on(client)
        client.engine_core.add_request_async = salted(client.engine_core.add_request_async)
        self._processes = process_ids(client)
        tasks = await client.get_supported_tasks()
        with self._phases.phase(phases.APPLICATION):
            application = build_app(arguments, tasks, client.model_config)
            answer_unreadable(application)
            await init_app_state(client, application.state, arguments, tasks)
            # FastAPI makes its description once, in about a second for vLLM's: not in a client's
            # time.
            application.openapi()
        responses = getattr(application.state, "openai_serving_responses", None)
        if responses is not None:
            responses.background_tasks = BackgroundTasks()
        # vLLM's handler of engine errors stops the server of `vllm serve` through this attribute. A
        # replica has no such server; without a stand-in the request would end in an AttributeError.
        application.state.server = SimpleNamespace(should_exit=False)
        with self._phases.phase(phases.FIRST_TOKEN):
            await asyncio.wait_for(self._warm_up(tasks), WARM_UP_SECONDS)
        freeze_gc_heap()  # as vLLM's server does at its start: long pauses for objects that stay
        self._warm = True
        self.app = AbortsWithClient(application, client.abort)
        if self._settings.stall_seconds:
            self._watchdog = asyncio.create_task(self._end_when_stuck())
        logger.info(
            "Engine up after %.1f s: %s as %s.",
            time.monotonic() - started,
            self._settings.arguments["model"],
            self._settings.arguments["served_model_name"],
        )

    def alive(self) -> bool:
        """False once the engine's process has ended. Reads a flag; never asks a busy engine."""
        return self._client is not None and not self._client.errored

    def ready(self) -> bool:
        """True from the first generated token until the engine dies."""
        return self._warm and self.alive()

    @property
    def model_length(self) -> int | None:
        """The context length in tokens that vLLM chose; None until the engine is up."""
        return int(self._client.model_config.max_model_len) if self._client else None

    @property
    def model_names(self) -> tuple[str, ...]:
        """The names by which clients may call the model; the first is its own."""
        names = self._settings.arguments["served_model_name"]
        return tuple(map(str, names)) if isinstance(names, list) else (str(names),)

    @property
    def accepts_media(self) -> bool:
        """Whether the model takes pictures, audio or video; False until the engine is up."""
        return bool(self._client and self._client.model_config.is_multimodal_model)

    def cause_of_death(self) -> str:
        """One line: which process ended and how, as far as the operating system reports it."""
        if self._stuck:
            return self._stuck
        manager = getattr(self._client.engine_core.resources, "engine_manager", None)
        ended = manager.finished_procs() if manager is not None else {}
        return describe_end(ended, self._processes)

    async def died(self) -> str:
        """Returns the cause once the engine is dead."""
        while self.alive():
            await asyncio.sleep(0.25)
        await asyncio.sleep(0.5)  # the flag can precede the process's exit status by a moment
        return self.cause_of_death()

    async def close(self) -> None:
        """Ends the engine's processes; requests that are still running are cut off."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        await self._resources.aclose()

    async def _end_when_stuck(self) -> None:
        """Kills an engine that hangs, so that it is then handled like one that died."""
        await until_stuck(self._client.is_paused, self._settings.stall_seconds)
        seconds = f"{self._settings.stall_seconds:g} s"
        self._stuck = f"the engine did not respond for {seconds} and was killed"
        kill_children()

    async def _warm_up(self, tasks: tuple[str, ...]) -> None:
        """Generates the first token, or an embedding model's first vector, ahead of any client.

        Models that accept only audio or images have no such simple first request; for them the
        engine's own profiling run has to suffice.
        """
        if "generate" in tasks:
            from vllm import SamplingParams

            outputs = self._client.generate(
                {"prompt_token_ids": [1, 2]}, SamplingParams(max_tokens=1), "warm-up"
            )
        elif pooling := [task for task in ("embed", "classify", "score") if task in tasks]:
            from vllm import PoolingParams

            outputs = self._client.encode(
                {"prompt_token_ids": [1, 2]}, PoolingParams(task=pooling[0]), "warm-up"
            )
        else:
            logger.warning("No warm-up: the model only has the tasks %s.", ", ".join(tasks))
            return
        async for _ in outputs:
            pass


def count_on(client: Any) -> None:
    """Counts what this client of an engine generates, embeds and aborts."""
    from vllm.entrypoints.generate.beam_search.online import BeamSearchOnlineMixin

    counter = Counter()
    client.generate = counter.counted(client.generate)
    client.encode = counter.counted(client.encode)
    client.abort = counter.settling(client.abort, client.output_processor)
    if not hasattr(BeamSearchOnlineMixin.beam_search, "__wrapped__"):
        BeamSearchOnlineMixin.beam_search = counted_beams(BeamSearchOnlineMixin.beam_search)


def process_ids(client: Any) -> dict[str, int]:
    """The pids of the engine's processes by name, for the line that reports their end."""
    manager = getattr(client.engine_core.resources, "engine_manager", None)
    processes = getattr(manager, "processes", ())
    return {process.name: process.pid for process in processes}


def describe_end(ended: Mapping[str, int], pids: Mapping[str, int]) -> str:
    """`EngineCore (pid 12) was killed by SIGKILL`, from exit codes in multiprocessing's form."""
    if not ended:
        return "the engine stopped working, although its process did not exit"
    parts = []
    for name, code in ended.items():
        label = f"{name} (pid {pids.get(name, 'unknown')})"
        if code < 0:
            number = -code
            known = signal.Signals(number).name if number in set(signal.Signals) else str(number)
            hint = ", often because memory ran out" if number == signal.SIGKILL else ""
            parts.append(f"{label} was killed by {known}{hint}")
        else:
            parts.append(f"{label} exited with status {code}; its own report is above")
    return "; ".join(parts)


def leave(status: int) -> None:
    """Ends this process immediately, without waiting for clients of a dead engine."""
    logging.shutdown()
    os._exit(status)
