"""The client: sends the same streamed chat requests to each contender and times the answers.

It shares the machine with the servers. To cost little, it parses chunks only until the first text,
and the chunk with the usage; it only receives the others.
"""

import asyncio
import json
import time
from itertools import chain

import aiohttp

from bench.contenders import Target
from bench.processes import cpu_seconds
from bench.table import Answer, Turn

TIMEOUT_S = 120.0


def request(question: str, model: str, tokens: int) -> dict[str, object]:
    """A chat request whose answer has exactly `tokens` tokens, whatever the model generates."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": tokens,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def ask(session: aiohttp.ClientSession, url: str, body: bytes, tokens: int) -> Answer:
    """One request. An incomplete answer fails the whole measurement."""
    began = time.perf_counter()
    first: float | None = None
    usage = b""
    async with session.post(f"{url}/v1/chat/completions", data=body) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{url} answered {answer.status}: {(await answer.text())[:500]}")
        async for line in answer.content:
            if not line.startswith(b"data: {"):
                continue
            if first is None and has_text(line):
                first = time.perf_counter()
            if b'"completion_tokens":' in line:
                usage = line
    ended = time.perf_counter()
    counted = json.loads(usage[6:])["usage"]["completion_tokens"] if usage else 0
    if first is None or counted != tokens:
        raise RuntimeError(f"{url} returned {counted} tokens instead of {tokens}")
    return Answer(first - began, ended - began, counted)


def has_text(line: bytes) -> bool:
    """Whether an event contains text of the answer; vLLM's first event has only the role."""
    choices = json.loads(line[6:])["choices"]
    return bool(choices and choices[0]["delta"].get("content"))


async def load(
    target: Target, questions: list[str], model: str, streams: int, each: int, tokens: int
) -> Turn:
    """Run `streams` concurrent streams, each of which sends its requests one after the other.

    Every stream first opens its connection with a request that is not counted.
    """
    headers = {**target.headers, "Content-Type": "application/json"}
    async with aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
    ) as session:

        async def stream(number: int, times: int, length: int) -> list[Answer]:
            answers = []
            for turn in range(times):
                question = questions[(number + turn) % len(questions)]
                body = json.dumps(request(question, model, length)).encode()
                answers.append(await ask(session, target.url, body, length))
            return answers

        await asyncio.gather(*(stream(number, 1, 4) for number in range(streams)))
        cpu, others = cpu_seconds()
        began = time.perf_counter()
        answers = await asyncio.gather(*(stream(n, each, tokens) for n in range(streams)))
        seconds = time.perf_counter() - began
        cpu_after, others_after = cpu_seconds()
    return Turn(seconds, cpu_after - cpu, others_after - others, tuple(chain(*answers)))
