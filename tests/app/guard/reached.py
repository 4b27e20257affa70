"""A replica of a test, and the ingress in front of it, with limits that a test can wait for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.app.conftest import Service
from tests.app.haproxy.proxy import proxied
from tests.app.serving import replica

TOKEN = "the cluster's token"
WAYS = ["ingress", "replica"]
CHAT = "/v1/chat/completions"
SHORT = {"timeout http-request 15s": "timeout http-request 1s"}


@asynccontextmanager
async def reached(
    service: Service, way: str, limits: dict[str, str] | None = None, **options: Any
) -> AsyncIterator[int]:
    """The port of a replica or of the ingress in front of it."""
    async with replica(service.guard, **options) as port:
        if way == "replica":
            yield port
        else:
            async with proxied(port, token=TOKEN, limits={**SHORT, **(limits or {})}) as ingress:
                yield ingress
