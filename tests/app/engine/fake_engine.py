"""An engine client with the parts of vLLM's `AsyncLLM` that are counted, and its shapes.

Like vLLM's: the internal id of a request differs from the id that the caller gave, `n` answers are
`n` children of it, an abort puts a last output into the queue, and a generator that is closed or
cancelled aborts its request.
"""

import asyncio
import enum
import itertools
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from app import usage
from app.asgi import Message


class OutputKind(enum.Enum):
    CUMULATIVE = 0
    DELTA = 1
    FINAL_ONLY = 2


def params(kind: OutputKind, n: int = 1) -> SimpleNamespace:
    return SimpleNamespace(output_kind=kind, n=n)


def output(*choices: list[int], prompt: int = 3, latency: float = 0.0) -> SimpleNamespace:
    """A `RequestOutput` with the token ids of each choice."""
    named = [SimpleNamespace(index=i, token_ids=tokens) for i, tokens in enumerate(choices)]
    return SimpleNamespace(
        prompt_token_ids=list(range(prompt)),
        encoder_prompt_token_ids=None,
        outputs=named,
        metrics=SimpleNamespace(first_token_latency=latency),
    )


@dataclass
class State:
    """vLLM's `RequestState` of one sequence."""

    external_req_id: str
    request_index: int
    prompt_len: int
    queue: "asyncio.Queue[Any]"
    tokens: list[int] = field(default_factory=list)

    @property
    def detokenizer(self) -> SimpleNamespace:
        return SimpleNamespace(num_output_tokens=lambda: len(self.tokens))


class Processor:
    """vLLM's `OutputProcessor`."""

    def __init__(self) -> None:
        self.request_states: dict[str, State] = {}
        self.parent_requests: dict[str, Any] = {}
        self.external_req_ids: defaultdict[str, list[str]] = defaultdict(list)


class Client:
    """vLLM's `AsyncLLM`. A test makes its steps with `step`."""

    def __init__(self) -> None:
        self.output_processor = Processor()
        self.aborted: list[str] = []
        self._number = itertools.count()

    async def generate(
        self, prompt: list[int], given: Any, request_id: str
    ) -> AsyncGenerator[Any, None]:
        """Outputs until every choice has ended; `prompt` is its token ids."""
        processor, queue = self.output_processor, asyncio.Queue[Any]()
        internal = f"{request_id}-{next(self._number):08x}"
        children = [internal] if given.n == 1 else [f"{i}_{internal}" for i in range(given.n)]
        for index, child in enumerate(children):
            state = State(request_id, index, len(prompt), queue)
            processor.request_states[child] = state
            processor.external_req_ids[request_id].append(child)
        if given.n > 1:
            processor.parent_requests[internal] = SimpleNamespace(child_requests=set(children))
        try:
            while (one := await queue.get()) is not None:
                yield one
        except (asyncio.CancelledError, GeneratorExit):
            await self.abort(internal, internal=True)
            raise

    async def abort(self, request_id: str | Iterable[str], internal: bool = False) -> None:
        processor = self.output_processor
        ids = [request_id] if isinstance(request_id, str) else list(request_id)
        self.aborted += ids
        if not internal:
            ids = [i for outer in ids for i in processor.external_req_ids.pop(outer, [])]
        for one in ids:
            parent = processor.parent_requests.pop(one, None)
            for child in list(parent.child_requests) if parent else [one]:
                state = processor.request_states.pop(child, None)
                if state is not None:
                    # As for an answer in one piece: all tokens so far, in the last output.
                    state.queue.put_nowait(output(state.tokens, prompt=state.prompt_len))
                    state.queue.put_nowait(None)

    def step(self, kind: OutputKind, request_id: str, index: int = 0) -> None:
        """Generate one token of a request's choice."""
        for child in self.output_processor.external_req_ids[request_id]:
            state = self.output_processor.request_states[child]
            if state.request_index == index:
                state.tokens.append(7)
                if kind is not OutputKind.FINAL_ONLY:
                    tokens = [7] if kind is OutputKind.DELTA else list(state.tokens)
                    one = output(tokens, prompt=state.prompt_len)
                    one.outputs[0].index = index
                    state.queue.put_nowait(one)


async def request(app: Any, account: usage.Usage) -> None:
    """One HTTP request whose tokens are counted in this account, as the guard makes it."""

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {}

    async def send(message: Message) -> None:
        pass

    token = usage.current.set(account)
    try:
        await app({"type": "http"}, receive, send)
    finally:
        usage.current.reset(token)
