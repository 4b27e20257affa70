"""A Serve application that starts as long as a file is absent, as a model that loads does."""

import asyncio
from pathlib import Path
from typing import Any

from ray import serve


class Starting:
    async def __init__(self, file: str) -> None:  # type: ignore[misc]
        while not Path(file).exists():
            await asyncio.sleep(0.2)

    async def __call__(self) -> str:
        return "started"


def application(args: dict[str, str]) -> Any:
    """`file`: the path."""
    return serve.deployment(name="Starting", ray_actor_options={"num_cpus": 0})(Starting).bind(
        args["file"]
    )
