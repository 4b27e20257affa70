"""Measures the guard on a stub engine: cost per request, per streamed chunk, and of the largest
bodies, and throughput.

Bare and guarded calls alternate in one process, so that noise affects both alike; quote the
differences and ratios. There is no socket and no client library in between: this is the guard
alone. Run it with `python -m bench.guard`.
"""

import asyncio
import functools
import json
import logging
import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from app.access.roles import DEFAULTS
from app.auth import passwords
from app.guard import json_body
from app.guard.application import Guard
from app.guard.grammar import check as grammars
from app.guard.grammar.compiler import Compiler

KEY = "bench" + "x7Rz2LmW8vYp4NcB" * 3
# vLLM's description of its routes, by which the guard judges fields.
VLLM = Path(__file__).parents[1] / "tests" / "app" / "guard" / "vllm_openapi.json"
ROUNDS, CALLS, CHUNKS = 30, 200, 500
# Chunks per answer and the pause before each: an engine as fast as a consumer card with a small
# model, and a faster one that answers in 40 ms.
PACES = {"64 chunks, 5 ms apart": (64, 0.005), "20 chunks, 2 ms apart": (20, 0.002)}
PACED_ROUNDS, EACH = 6, 4
CHUNK = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
BODY = json.dumps(
    {
        "model": "Dolphin3.0",
        "messages": [{"role": "user", "content": "Сколько четвергов в марте 2025 года?"}],
        "stream": False,
        "max_tokens": 2000,
        "temperature": 0.85,
        "top_p": 0.95,
        "top_k": 50,
        "repetition_penalty": 1.0,
    }
).encode()
CHAT = "/v1/chat/completions"
App = Callable[[Any, Any, Any], Awaitable[None]]


class Stub:
    """An engine that answers with `chunks` chunks, at once or with `pause_s` between them.

    Each chunk is due at a time counted from the request, because an engine's steps do not wait for
    the listener, and because delays of asyncio's timer, up to a millisecond, must not add up.
    """

    def __init__(self, chunks: int, pause_s: float = 0.0) -> None:
        described: Any = functools.partial(self._answer)
        described.openapi = lambda: json.loads(VLLM.read_text())["generate"]
        self.app: App = described
        self.chunks, self.pause_s = chunks, pause_s

    def alive(self) -> bool:
        return True

    def ready(self) -> bool:
        return True

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        due = time.perf_counter()
        for _ in range(self.chunks):
            if self.pause_s:
                due += self.pause_s
                await asyncio.sleep(due - time.perf_counter())
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def guarded(stub: Stub) -> tuple[Guard, bytes]:
    """A guard as in a replica, and a user's Authorization header."""
    environ = {
        "USER_LIST": "BOB",
        "BOB_USERNAME": "bob",
        "BOB_HASHED_PASSWORD": passwords.hash_password("a password"),
        "BOB_ROLE": "heavy",
        "ROLES": json.dumps(
            {
                "heavy": {
                    "groups": ["inference"],
                    "models": ["Dolphin3.0"],
                    "requests_per_minute": 2**30,
                    "tokens_per_minute": 2**30,
                    "concurrent": 1000,
                    "max_tokens": 4000,
                }
            }
        ),
        "JWT_KEY": KEY,
        "GUARD_SHARED": "false",
    }
    guard = Guard.from_environment(stub, environ)
    user = guard._auth.config().users["bob"]
    return guard, b"Bearer " + guard._auth.issue(user)[0].encode()


async def once(app: App, authorization: bytes) -> float:
    """The duration of one call, in seconds."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": CHAT,
        "raw_path": CHAT.encode(),
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "headers": [
            (b"host", b"localhost"),
            (b"authorization", authorization),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(BODY)).encode()),
            (b"accept", b"application/json"),
            (b"user-agent", b"bench"),
        ],
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Any) -> None:
        pass

    began = time.perf_counter()
    await app(scope, receive, send)
    return time.perf_counter() - began


async def compare(chunks: int, calls: int) -> tuple[list[float], list[float]]:
    """Durations of single calls in seconds, bare and guarded, in alternating blocks."""
    stub = Stub(chunks)
    guard, authorization = guarded(stub)
    bare: list[float] = []
    with_guard: list[float] = []
    for _ in range(ROUNDS):
        pairs: list[tuple[App, list[float]]] = [(stub.app, bare), (guard, with_guard)]
        for app, durations in pairs:
            durations.extend([await once(app, authorization) for _ in range(calls)])
    guard.close()
    return bare, with_guard


async def throughput(streams: int, chunks: int, pause_s: float) -> tuple[float, float, float]:
    """Requests per second of `streams` clients, bare and guarded, and the ratio of the two.

    The rates are medians over the rounds; the ratio is the median of each round's ratio.
    """

    async def client(app: App) -> None:
        for _ in range(EACH):
            await once(app, authorization)

    stub = Stub(chunks, pause_s)
    guard, authorization = guarded(stub)
    rates: list[list[float]] = [[], []]
    apps: list[App] = [stub.app, guard]
    for turn in range(PACED_ROUNDS):
        for number in (0, 1) if turn % 2 else (1, 0):
            began = time.perf_counter()
            await asyncio.gather(*(client(apps[number]) for _ in range(streams)))
            rates[number].append(streams * EACH / (time.perf_counter() - began))
    guard.close()
    ratios = [after / before for before, after in zip(*rates, strict=True)]
    bare, with_guard = (statistics.median(durations) for durations in rates)
    return bare, with_guard, statistics.median(ratios)


LARGEST = 12 * 1024 * 1024
ITEMS = 256 * 1024
LARGEST_BODIES = {
    "one picture of 9 MB": b'{"a":"' + b"iVBORw0K" * (LARGEST // 8) + b'"}',
    "Cyrillic in escapes": b'{"a":"' + b"\\u0434" * (LARGEST // 6) + b'"}',
    "most numbers": b'{"a":[' + b",".join([b"128000"] * (ITEMS - 20)) + b"]}",
    "most members": b"{" + b",".join(b'"name%d":0' % i for i in range(ITEMS // 5 - 4)) + b"}",
}


async def reading(body: bytes) -> tuple[float, float]:
    """Reading one JSON body: the longest time for which the loop is kept, and all of its CPU time.

    Both in seconds of the loop's own thread, so that other processes do not count.
    """
    task = asyncio.ensure_future(json_body.read(body, ITEMS))
    longest, began = 0.0, time.thread_time()
    before = began
    while not task.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    await task
    return longest, before - began


def many_tools(count: int, parameters: int) -> list[dict[str, Any]]:
    """Functions as an agent sends them, about 1.4 KB each with 8 parameters."""
    described = {"type": "string", "description": "d" * 120}
    return [
        {
            "type": "function",
            "function": {
                "name": f"tool_{number}",
                "description": "d" * 200,
                "parameters": {
                    "type": "object",
                    "properties": {f"parameter_{i}": described for i in range(parameters)},
                    "required": ["parameter_0"],
                },
            },
        }
        for number in range(count)
    ]


def nested(depth: int, width: int) -> dict[str, Any]:
    """Many objects deep within each other: the form that takes longest to convert among
    those that the static measure accepts, which tests/app_live/test_grammars.py searches for."""
    made: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        made = {"type": "object", "properties": {f"k{i}": made for i in range(width)}}
    return made


GRAMMARS: dict[str, dict[str, Any]] = {
    "150 tools, none compiled": {"tools": many_tools(150, 8)},
    "150 tools, a call required": {"tools": many_tools(150, 8), "tool_choice": "required"},
    "objects nine deep": {"structured_outputs": {"json": nested(9, 2)}},
}


async def grammar(compiler: Compiler, fields: dict[str, Any]) -> str:
    """What the grammars of a chat request cost: on the event loop when they are new and when they
    are known, and in the helper, where xgrammar is installed."""
    loop: list[float] = []
    waited: list[float] = []
    for _ in range(3):
        began, used = time.perf_counter(), time.thread_time()
        await grammars.check(CHAT, fields, DEFAULTS["user"], 2**20, 1, compiler)
        loop.append((time.thread_time() - used) * 1e3)
        waited.append((time.perf_counter() - began) * 1e3)
    row = f"loop {loop[0]:.1f} ms when new, {loop[-1]:.1f} ms when known"
    for answer in compiler._known.values():
        row += f"; answered after {waited[0]:.0f} ms; conversion {answer['conversion_s'] * 1e3:.0f}"
        row += f" ms, compilation {answer['compile_s'] * 1e3:.0f} ms, {answer['mib']:.0f} MiB"
    compiler._known.clear()
    return row


def percentile(values: list[float], percent: int) -> float:
    """A percentile of durations in seconds, converted to microseconds."""
    return statistics.quantiles(values, n=100)[percent - 1] * 1e6


async def main() -> None:
    """Measure and print a table."""
    logging.basicConfig(level=logging.INFO, filename=os.devnull)
    await compare(1, 50)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    bare, with_guard = await compare(1, CALLS)
    for percent in (50, 99):
        b, g = percentile(bare, percent), percentile(with_guard, percent)
        print(f"request p{percent}: bare {b:.1f} us, guarded {g:.1f} us, added {g - b:.1f} us")
    bare, with_guard = await compare(CHUNKS, 5)
    added = (statistics.median(with_guard) - statistics.median(bare)) * 1e6
    # Both contain the cost of one request; the rest is the cost of the chunks.
    first, first_guarded = await compare(1, CALLS)
    once_added = (statistics.median(first_guarded) - statistics.median(first)) * 1e6
    print(f"streamed chunk: added {(added - once_added) / (CHUNKS - 1):.2f} us")
    for name, body in LARGEST_BODIES.items():
        times = [await reading(body) for _ in range(ROUNDS)]
        longest, took = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
        size = len(body) / 2**20
        print(f"{name}, {size:.1f} MiB: keeps the loop for {longest:.1f} ms, of {took:.1f} ms")
    compiler = Compiler()
    for name, fields in GRAMMARS.items():
        size = len(json.dumps(fields)) / 1024
        print(f"{name} ({size:.0f} KiB): {await grammar(compiler, fields)}")
    compiler.close()
    for name, pace in PACES.items():
        for streams in (1, 8, 32):
            b, g, ratio = await throughput(streams, *pace)
            print(f"{name}, {streams} streams: {b:.1f}/s, guarded {g:.1f}/s, ratio {ratio:.3f}")


if __name__ == "__main__":
    asyncio.run(main())
