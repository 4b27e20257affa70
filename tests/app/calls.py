"""One request to the guard, by a user of the tests."""

from typing import Any

import httpx

from tests.app.conftest import Service, chat, run

PATH = "/v1/chat/completions"


def get(service: Service, path: str, **options: Any) -> httpx.Response:
    async def one() -> httpx.Response:
        async with service.client() as client:
            return await client.request(options.pop("method", "GET"), path, **options)

    answer: httpx.Response = run(one())
    return answer


def post(service: Service, **options: Any) -> httpx.Response:
    given = {"json": chat(), "headers": service.bearer("bob"), **options}
    return get(service, PATH, method="POST", **given)
