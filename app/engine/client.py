"""The engine and the client of it, as vLLM's own server makes them, with our loggers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.engine import statistics


@asynccontextmanager
async def engine_client(engine_args: Any) -> AsyncIterator[Any]:
    """vLLM's `AsyncLLM` of an `AsyncEngineArgs`; the engine's processes end with the block.

    The same as `build_async_engine_client_from_engine_args`
    (vllm/entrypoints/launchers/api_server/entry.py), which takes no loggers.
    """
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.async_llm import AsyncLLM

    usage = UsageContext.OPENAI_API_SERVER
    config = engine_args.create_engine_config(usage_context=usage)
    client = AsyncLLM.from_vllm_config(
        vllm_config=config,
        usage_context=usage,
        stat_loggers=[] if engine_args.disable_log_stats else statistics.loggers(),
        enable_log_requests=engine_args.enable_log_requests,
        aggregate_engine_logging=engine_args.aggregate_engine_logging,
        disable_log_stats=engine_args.disable_log_stats,
    )
    try:
        await client.reset_mm_cache()  # the pictures of the profiling run
        yield client
    finally:
        client.shutdown(timeout=config.shutdown_timeout)
