"""One request to the guard of a test."""

from typing import Any

import httpx

from tests.app.conftest import Service, chat, run

PATH = "/v1/chat/completions"


def call(
    service: Service, method: str, path: str, user: str | None, **options: Any
) -> httpx.Response:
    """A request with the token of `user`, or without a token; `options` are httpx's."""
    headers = {**(service.bearer(user) if user else {}), **options.pop("headers", {})}

    async def one() -> httpx.Response:
        async with service.client() as client:
            return await client.request(method, path, headers=headers, **options)

    answer: httpx.Response = run(one())
    return answer


def get(service: Service, path: str, user: str | None = None, **options: Any) -> httpx.Response:
    return call(service, "GET", path, user, **options)


def post(
    service: Service, path: str = PATH, user: str | None = "bob", **options: Any
) -> httpx.Response:
    """A chat request, unless another body is given."""
    if not options.keys() & {"json", "content", "data", "files"}:
        options["json"] = chat()
    return call(service, "POST", path, user, **options)


def ask(service: Service, user: str = "bob", **fields: Any) -> httpx.Response:
    """A chat request with these fields."""
    return post(service, user=user, json=chat(**fields))
