"""The vLLM engine of one replica and vLLM's own OpenAI application around it."""

import asyncio
import functools
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from app import usage
from app.arguments import parse
from app.settings import EngineSettings

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 10  # about what a replica needs to come back where the weights are cached
WARM_UP_SECONDS = 600.0  # the first step may compile


class EngineDead(RuntimeError):
    """The engine's process ended; nothing but a new replica helps."""


class Engine:
    """One engine from start to end; the guard's backend.

    `app` is vLLM's application and None until the engine is up. Any endpoint, parameter and byte of
    an answer is vLLM's: this class only starts, counts, watches and ends.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.app: Any = None
        self._settings = settings
        self._client: Any = None
        self._processes: dict[str, int] = {}
        self._warm = False
        self._resources = AsyncExitStack()

    async def start(self) -> None:
        """Loads the model, builds the application and generates a first token.

        Takes as long as the weights do. Raises `ConfigurationError` for arguments that vLLM does
        not take and whatever vLLM raises where the model does not load.
        """
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.entrypoints.launchers.api_server.app_state import init_app_state
        from vllm.entrypoints.launchers.api_server.entry import (
            build_async_engine_client_from_engine_args,
        )
        from vllm.entrypoints.launchers.app import build_app

        arguments = parse(self._settings.arguments)
        started = time.monotonic()
        client = await self._resources.enter_async_context(
            build_async_engine_client_from_engine_args(AsyncEngineArgs.from_cli_args(arguments))
        )
        self._client = client
        client.generate = counted(client.generate)
        client.encode = counted(client.encode)
        self._processes = process_ids(client)
        tasks = await client.get_supported_tasks()
        application = build_app(arguments, tasks, client.model_config)
        await init_app_state(client, application.state, arguments, tasks)
        answer_engine_errors(application)
        await asyncio.wait_for(self._warm_up(tasks), WARM_UP_SECONDS)
        self._warm = True
        self.app = application
        logger.info(
            "Engine up after %.1f s: %s as %s.",
            time.monotonic() - started,
            self._settings.arguments["model"],
            self._settings.arguments["served_model_name"],
        )

    def alive(self) -> bool:
        """False once the engine's process ended; a flag, never a question to a busy engine."""
        return self._client is not None and not self._client.errored

    def ready(self) -> bool:
        """True once the first token was generated and while the engine lives."""
        return self._warm and self.alive()

    def unfinished(self) -> int:
        """Requests that the engine holds now, running and waiting."""
        return int(self._client.get_num_unfinished_requests()) if self._client else 0

    def cause_of_death(self) -> str:
        """One line: which process ended and how, as far as the operating system tells."""
        manager = getattr(self._client.engine_core.resources, "engine_manager", None)
        ended = manager.finished_procs() if manager is not None else {}
        return describe_end(ended, self._processes)

    async def died(self) -> str:
        """Returns the cause once the engine is dead."""
        while self.alive():
            await asyncio.sleep(0.25)
        # The monitor's flag can be a moment ahead of the process's exit status.
        for _ in range(8):
            if self._client.engine_core.resources.engine_manager.finished_procs():
                break
            await asyncio.sleep(0.25)
        return self.cause_of_death()

    async def close(self) -> None:
        """Ends the engine's processes; requests that still run are cut."""
        await self._resources.aclose()

    async def _warm_up(self, tasks: tuple[str, ...]) -> None:
        """The first token, or the first vector of an embedding model, before anyone waits for it.

        Models that take only audio or images have no such simple first request; for them the
        engine's own profiling run has to do.
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
            logger.warning("No warm-up for a model with the tasks %s only.", ", ".join(tasks))
            return
        async for _ in outputs:
            pass


def counted(call: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    """`generate` or `encode` that adds the tokens of its outputs to the request's `Usage`.

    Here, and not in the streamed bytes: these are the engine's own numbers, they are complete when
    a client leaves in the middle, and no chunk has to be parsed.
    """

    @functools.wraps(call)
    def counting(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        outputs = call(*args, **kwargs)
        account = usage.current.get()
        return outputs if account is None else count_into(account, outputs, args, kwargs)

    return counting


async def count_into(
    account: usage.Usage,
    outputs: AsyncIterator[Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> AsyncIterator[Any]:
    """The same outputs. Closing this closes them, which is how vLLM learns of a client's leaving."""
    params = kwargs.get("sampling_params", args[1] if len(args) > 1 else None)
    # RequestOutputKind: CUMULATIVE 0, DELTA 1, FINAL_ONLY 2.
    delta = getattr(getattr(params, "output_kind", None), "name", "") == "DELTA"
    seen: dict[int, int] = {}
    prompt_counted = False
    try:
        async for output in outputs:
            if not prompt_counted and output.prompt_token_ids is not None:
                account.prompt_tokens += len(output.prompt_token_ids)
                prompt_counted = True
            for choice in getattr(output, "outputs", None) or ():
                tokens = len(choice.token_ids)
                if delta:
                    account.completion_tokens += tokens
                else:
                    account.completion_tokens += tokens - seen.get(choice.index, 0)
                    seen[choice.index] = tokens
            yield output
    finally:
        await outputs.aclose()  # type: ignore[attr-defined]


def answer_engine_errors(application: Any) -> None:
    """503 with Retry-After where vLLM would stop its own server and answer 500.

    vLLM's handler reaches for `app.state.server`, the uvicorn server that `vllm serve` runs, which
    does not exist in a replica: the request would end in an AttributeError.
    """
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

    async def unavailable(request: Request, error: Exception) -> Response:
        message = "The engine stopped while it answered; a new one is being started."
        return JSONResponse(
            {
                "error": {
                    "message": message,
                    "type": "engine_unavailable",
                    "param": None,
                    "code": "engine_unavailable",
                }
            },
            status_code=503,
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )

    application.add_exception_handler(EngineDeadError, unavailable)
    application.add_exception_handler(EngineGenerateError, unavailable)


def process_ids(client: Any) -> dict[str, int]:
    """Name -> pid of the engine's processes, for the line that reports their end."""
    manager = getattr(client.engine_core.resources, "engine_manager", None)
    processes = getattr(manager, "processes", ())
    return {process.name: process.pid for process in processes}


def describe_end(ended: Mapping[str, int], pids: Mapping[str, int]) -> str:
    """`EngineCore (pid 12) was killed by SIGKILL...` from exit codes as multiprocessing has them."""
    if not ended:
        return "the engine stopped working, its process did not end by itself"
    parts = []
    for name, code in ended.items():
        label = f"{name} (pid {pids.get(name, 'unknown')})"
        if code < 0:
            number = -code
            known = signal.Signals(number).name if number in set(signal.Signals) else str(number)
            hint = ", often for want of memory" if number == signal.SIGKILL else ""
            parts.append(f"{label} was ended by {known}{hint}")
        else:
            parts.append(f"{label} ended with status {code}, its own report is above")
    return "; ".join(parts)


def leave(status: int) -> None:
    """Ends this process at once, without waiting for clients of a dead engine."""
    logging.shutdown()
    os._exit(status)
