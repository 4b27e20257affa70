"""The guard reads a JSON body as the engine would, and never keeps the event loop for long."""

import asyncio
import json
import random
from typing import Annotated, Any

import msgspec
import pytest
from fastapi import Body, FastAPI
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.datastructures import FormData
from starlette.requests import Request

from app.access import permissions, routes
from app.access.roles import DEFAULTS
from app.errors import RefusedError
from app.guard import handover, json_body, payload
from app.guard.bounds import Bounds
from app.guard.fields.table import Table
from app.guard.grammar.compiler import Compiler
from tests.app.calls import post
from tests.app.conftest import Service
from tests.app.guard.json_documents import MAX_ITEMS, ODD, accepted, in_list, refused
from tests.app.guard.loop_time import best_longest_step
from tests.app.guard.vllm_applications import all_routes

STEP_S = 0.020
"""The longest time for which reading one body may keep the event loop."""


def read(body: bytes, max_items: int = MAX_ITEMS) -> dict[str, Any]:
    return asyncio.run(json_body.read(body, max_items))


def engines(body: bytes) -> Any:
    """The document that FastAPI gives to a route, as in vLLM's application."""
    seen: list[Any] = []
    app = FastAPI()

    @app.post("/")
    async def route(document: Annotated[Any, Body()]) -> None:
        seen.append(document)

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        pass

    scope = {
        "type": "http", "method": "POST", "path": "/", "query_string": b"", "root_path": "",
        "headers": [(b"content-type", b"application/json")],
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert len(seen) == 1, "the engine refuses what the guard accepts"
    return seen[0]


def same(body: bytes) -> bool:
    """Whether the guard refuses the body or reads the engine's document, types included."""
    try:
        mine = read(body)
    except RefusedError as refusal:
        return refusal.status == 400
    return repr(mine) == repr(engines(body))


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_odd_json_is_refused_or_read_as_the_engine_reads_it(body: bytes) -> None:
    assert same(body)


def test_of_two_members_with_one_name_the_last_one_counts_as_for_the_engine() -> None:
    assert read(b'{"n":1,"n":1000,"m":[{"a":1,"\\u0061":2}]}') == {"n": 1000, "m": [{"a": 2}]}


_PARTS = ["a", "\\", '"', "\\u0061", "\ud83d", "}{", ",,", "1" * 25]
_TEXTS = st.text(max_size=12) | st.sampled_from(_PARTS)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS
    | st.integers(-(2**64), 2**64),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from([*(bytes([byte]) for byte in b'"\\,:[]{}0123456789eE+-. \nuatNI\x00\xff'),
                         b"\\ud800", b"\\u0061", b"NaN", b"1e999", b'"a":1,', b"\xed\xa0\x80"]),
        st.booleans(),
    ),
    max_size=3,
)  # fmt: skip


def mutated(document: Any, mutations: list[tuple[int, bytes, bool]], ascii_only: bool) -> bytes:
    body = json.dumps(document, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    for place, new, replace in mutations:
        at = place % len(body)
        body = body[:at] + new + body[at + replace :]
    return body


@settings(max_examples=600, deadline=None)
@given(st.dictionaries(_TEXTS, _VALUES, max_size=4), _MUTATIONS, st.booleans())
def test_random_json_is_refused_or_read_as_the_engine_reads_it(
    document: dict[str, Any], mutations: list[tuple[int, bytes, bool]], ascii_only: bool
) -> None:
    assert same(mutated(document, mutations, ascii_only))


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(_TEXTS, _VALUES, max_size=4),
    st.dictionaries(st.sampled_from(["max_tokens", "priority", "a", '"']), st.integers(0, 9)),
    st.sampled_from([b"", b" ", b"\n\r\t "]),
)
@example({}, {"priority": 1}, b" ")
@example({"priority": None}, {"priority": 1}, b"")
def test_members_are_written_into_the_bytes_of_the_body(
    document: dict[str, Any], members: dict[str, int], blank: bytes
) -> None:
    body = blank + mutated(document, [], True).replace(b"{", b"{" + blank, 1)
    body = body[:-1] + blank + b"}" + blank
    written = json_body.with_members(body, not document, members)
    expected = {**json.loads(body), **members}
    assert repr(sorted(json.loads(written).items())) == repr(sorted(expected.items()))
    assert written.startswith(body.rstrip()[:-1])


ACCEPTED, REFUSED = accepted(), refused()


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_largest_accepted_body_keeps_the_loop_for_less_than_20_ms(name: str) -> None:
    assert read(ACCEPTED[name])
    assert best_longest_step(lambda: json_body.read(ACCEPTED[name], MAX_ITEMS)) < STEP_S


@pytest.mark.parametrize("name", ACCEPTED)
def test_reading_and_judging_the_largest_body_keeps_the_loop_for_less_than_20_ms(name: str) -> None:
    """With fields to be written into it, whether it is permitted in the end or not."""
    route = routes.TABLE["POST", "/v1/chat/completions"]
    served = permissions.Served(("tiny",), None, by_priority=True)
    rules = payload.Rules(Bounds(), served, Table(all_routes()), Compiler())

    def judge() -> Any:
        role, body = DEFAULTS["guest"], ACCEPTED[name]
        return payload.checked(body, b"application/json", route, role, rules)

    assert best_longest_step(judge) < STEP_S


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_outside_the_bounds_keeps_the_loop_for_less_than_20_ms(name: str) -> None:
    with pytest.raises(RefusedError):
        read(REFUSED[name])
    assert best_longest_step(lambda: json_body.read(REFUSED[name], MAX_ITEMS)) < STEP_S


def test_items_in_texts_do_not_count() -> None:
    """Texts of every kind, over all borders of slices, are told from structure."""
    chance = random.Random(1)
    pieces = [b"\\\\", b'\\"', b",", b"[", b"{", b":", b"x", b"9" * 19, b"\\u005c"]
    for size in (10, json_body.SMALL_SLICE_BYTES // 4, json_body.SMALL_SLICE_BYTES):
        for _ in range(20):
            text = b'"' + b"".join(chance.choices(pieces, k=size)) + b'"'
            body = b'{"a":[' + text + b"," + text + b'],"b":7}'
            outside = b"".join(json_body._outside_of_texts(body))
            assert outside.replace(b'"', b"") == b"{:[,],:7}"
            assert read(body, 19)["b"] == 7
            with pytest.raises(RefusedError, match="more than 18 items"):
                read(body, 18)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_TEXTS, _VALUES, max_size=4))
def test_the_examination_finds_exactly_the_large_integers(document: dict[str, Any]) -> None:
    """With a bound of items that forces the exact examination."""
    body = mutated(document, [], True)

    def large(value: Any) -> bool:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            return any(large(entry) for entry in value)
        return type(value) is int and not -(2**63) <= value < 2**63

    try:
        parsed = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return
    try:
        read(body)
    except RefusedError:
        assert large(parsed)
    else:
        assert not large(parsed)


def test_the_message_says_what_an_item_is(service: Service) -> None:
    answer = post(service, content=in_list(b"0", 1)[:-2] + b",0" * 40 + b"]}")
    assert answer.status_code == 400
    assert "items of JSON" in answer.json()["error"]["message"]


def test_the_engine_gets_the_document_that_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without reading the bytes, and once: a second reader must not see changes of the first."""
    monkeypatch.setattr(Request, "json", Request.json)
    monkeypatch.setattr(Request, "form", Request.form)
    handover.install()
    document = read(b'{"model":"tiny"}')

    async def receive() -> Any:
        return {"type": "http.request", "body": b'{"read":"again"}'}

    found: list[Any] = []

    async def engine(scope: Any, _receive: Any, _send: Any) -> None:
        first = Request(scope, receive)
        found.extend([await first.json(), await first.json()])
        found.append(await Request(scope, receive).json())

    scope: dict[str, Any] = {"type": "http", "headers": []}
    asyncio.run(call(handover.Carrier(engine, document), scope))
    taken, same_request, again = found
    assert taken is document
    assert same_request is document
    assert again == {"read": "again"}


async def call(app: Any, scope: Any) -> None:
    await app(scope, None, None)


class File(FormData):
    closed = False

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("called", [True, False], ids=["called", "never called"])
def test_what_the_engine_does_not_take_is_dropped(called: bool) -> None:
    async def engine(_scope: Any, _receive: Any, _send: Any) -> None:
        pass

    form, scope = File(), dict[str, Any]()
    carrier = handover.Carrier(engine, form)
    if called:
        asyncio.run(call(carrier, scope))
    asyncio.run(carrier.close())
    assert form.closed
    assert scope == {}
