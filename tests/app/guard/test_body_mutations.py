"""Mutated bodies do not get past the model list, the cap, privileged fields or the media rule.

What counts is what the engine's side would read in the bytes that the guard passes on.
"""

import asyncio
import json
import os
from collections import Counter
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.access import permissions, routes
from app.access.permissions import Served
from app.access.roles import Role
from app.errors import RefusedError
from app.guard import payload
from app.guard.bounds import Bounds
from app.guard.fields.table import Table
from app.guard.grammar.compiler import Compiler
from tests.app.guard import body_mutations, reader
from tests.app.guard.body_mutations import Mutated
from tests.app.guard.vllm_applications import all_routes

COUNT = int(os.environ.get("RAYLINE_TEST_MUTATIONS", "2000"))
CAP = 100
GUEST = Role("guest", routes.GROUPS - {routes.OPERATE}, frozenset({"tiny"}), max_tokens=CAP)
BOUNDS = Bounds(media_domains=frozenset({"images.example"}))
COMPILER = Compiler()
SERVED = Served(("tiny",), None, by_priority=False)


def passed_on(table: Table, request: Mutated) -> bytes | None:
    """The bytes that the engine would get; None for a refused request."""
    route = routes.TABLE["POST", request.template]
    rules = payload.Rules(BOUNDS, SERVED, table, COMPILER)
    permissions.check_route(GUEST, route)

    async def judged() -> bytes:
        given = await payload.checked(request.body, request.content_type, route, GUEST, rules)
        if isinstance(given.content, FormData):
            await given.content.close()
        return given.body

    try:
        return asyncio.run(judged())
    except RefusedError:
        return None


def form(content_type: bytes, body: bytes) -> dict[str, str]:
    """The fields as FastAPI takes them from Starlette's form: the last value of each name."""
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type)]}

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body}

    async def read() -> dict[str, str]:
        async with Request(scope, receive).form() as found:
            return {name: value for name, value in found.items() if isinstance(value, str)}

    return asyncio.run(read())


def bypasses(found: reader.Read, is_form: bool) -> list[str]:
    """The rules that a request broke although the guard let it through."""
    broken = []
    if found.model not in (None, "tiny"):
        broken.append("model")
    # A form cannot get a cap written into it, and an audio's length bounds its text.
    uncapped = found.cap is None and not is_form
    if found.capped and (uncapped or (found.cap or 0) > CAP):
        broken.append("cap")
    broken += [f"privileged: {name}" for name in found.reaching]
    broken += [name for name, value in found.counts.items() if value > reader.COUNTS[name]]
    for address in found.addresses:
        data = isinstance(address, str) and address[:5].lower() == "data:"
        if not data and (
            not isinstance(address, str) or urlsplit(address).hostname != "images.example"
        ):
            broken.append(f"medium: {address}")
    return broken


def test_no_mutated_body_gets_past_a_rule() -> None:
    table = Table(all_routes())
    through: Counter[str] = Counter()
    for request in body_mutations.mutated(COUNT):
        body = passed_on(table, request)
        if body is None:
            continue
        through[request.template] += 1
        is_form = request.content_type != body_mutations.JSON
        try:
            document = form(request.content_type, body) if is_form else json.loads(body)
            found = reader.read(request.template, document)
        except (reader.RejectedError, HTTPException):
            continue
        assert bypasses(found, is_form) == [], (request, body)
    print(f"{COUNT} mutated bodies: {through.total()} passed the guard, none broke a rule")
    # A guard that refuses everything would pass as well.
    assert through.total() > COUNT / 5
    assert len(through) > 15


def test_the_reader_sees_what_an_open_guard_would_let_through() -> None:
    """Without the guard, the same requests break every rule."""
    broken: Counter[str] = Counter()
    for request in body_mutations.mutated(4000, seed=2):
        try:
            document = json.loads(request.body)
            found = reader.read(request.template, document)
        except (ValueError, AttributeError, reader.RejectedError):
            continue
        broken.update({rule.partition(":")[0] for rule in bypasses(found, is_form=False)})
    for rule in ("model", "cap", "privileged", "medium", "n", "prompt_logprobs"):
        assert broken[rule] > 3, broken
