"""Counts the tokens of an HTTP request where the engine produces them.

`Counter` stands between vLLM's application and its engine client. It counts what the engine really
produced, so no streamed byte is parsed, and its counts are those of the answer's `usage`. For what
no answer reports, it counts the engine's work: a prompt whose client left during the prefill, and
the tokens that were generated before an abort.
"""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextvars import ContextVar
from typing import Any

from app import usage
from app.engine import cancellation

Outputs = AsyncGenerator[Any, None]
Abort = Callable[..., Awaitable[None]]


class Generation:
    """What one engine request has used so far. `delta`: an output has only its new tokens."""

    __slots__ = ("_account", "_before", "_began", "_delta", "_prompt_counted", "_settled")

    def __init__(self, account: "usage.Usage | _Beams", delta: bool) -> None:
        self._account = account
        self._delta = delta
        self._began = time.perf_counter()
        self._before: dict[int, int] = {}
        self._prompt_counted = self._settled = False

    def add(self, output: Any) -> None:
        """Count an output of the engine, a `RequestOutput` or `PoolingRequestOutput`."""
        if self._settled:
            return
        if not self._prompt_counted and output.prompt_token_ids is not None:
            encoder = getattr(output, "encoder_prompt_token_ids", None) or ()
            self._count_prompt(len(output.prompt_token_ids) + len(encoder))
            self._note_first_token(getattr(output, "metrics", None))
        for choice in output.outputs if isinstance(output.outputs, list) else ():  # or a vector
            new = len(choice.token_ids)
            before = self._before.get(choice.index, 0)
            self._count(choice.index, before + new if self._delta else new)

    def settle(self, state: Any) -> None:
        """Count what an aborted request used, from vLLM's `RequestState`; its outputs end.

        The whole prompt counts: how much of it the engine has computed is not reported.
        """
        self._settled = True
        if not self._prompt_counted:
            self._count_prompt(state.prompt_len)
        if state.detokenizer is not None:
            self._count(state.request_index, state.detokenizer.num_output_tokens())

    def _count_prompt(self, tokens: int) -> None:
        self._account.prompt_tokens += tokens
        self._prompt_counted = True

    def _count(self, index: int, tokens: int) -> None:
        self._account.completion_tokens += tokens - self._before.get(index, 0)
        self._before[index] = tokens

    def _note_first_token(self, metrics: Any) -> None:
        """An answer in one piece has a single output, whose metrics know when it began."""
        if self._account.first_token_at is None:
            latency = getattr(metrics, "first_token_latency", 0.0)
            at = self._began + latency if latency else time.perf_counter()
            self._account.first_token_at = at


class _Beams:
    """The account of one beam search, which asks the engine for one token per beam and step.

    Each of these requests has the prompt again, and most of their tokens are dropped, so only the
    first prompt counts, and in the end the tokens of the beams that are returned.
    """

    def __init__(self, account: usage.Usage) -> None:
        self._account = account
        self._prompt = self._completion = 0

    @property
    def first_token_at(self) -> float | None:
        return self._account.first_token_at

    @first_token_at.setter
    def first_token_at(self, at: float) -> None:
        self._account.first_token_at = at

    @property
    def prompt_tokens(self) -> int:
        return self._prompt

    @prompt_tokens.setter
    def prompt_tokens(self, tokens: int) -> None:
        if not self._prompt:
            self._prompt = tokens
            self._account.prompt_tokens += tokens

    @property
    def completion_tokens(self) -> int:
        return self._completion

    @completion_tokens.setter
    def completion_tokens(self, tokens: int) -> None:
        self._account.completion_tokens += tokens - self._completion
        self._completion = tokens


_beams: ContextVar[_Beams | None] = ContextVar("rayline_beams", default=None)


class Counter:
    """Counts for one engine client. The wrapped methods replace the client's own."""

    def __init__(self) -> None:
        self._open: dict[str, Generation] = {}

    def counted(self, call: Callable[..., Outputs]) -> Callable[..., Outputs]:
        """The engine's `generate` or `encode`, bound to the HTTP request that it serves.

        Both take (prompt, parameters, request id). Outside a request, the call is unchanged.
        """

        @functools.wraps(call)
        def counting(*args: Any, **kwargs: Any) -> Outputs:
            generations, account = cancellation.current.get(), usage.current.get()
            if generations is None or account is None:
                return call(*args, **kwargs)
            if generations.abandoned:  # a beam search or a batch that had not started
                raise asyncio.CancelledError
            params = args[1] if len(args) > 1 else kwargs.get("sampling_params")
            request_id = args[2] if len(args) > 2 else kwargs["request_id"]
            delta = getattr(getattr(params, "output_kind", None), "name", "") == "DELTA"
            generation = Generation(_beams.get() or account, delta)
            return self._follow(call(*args, **kwargs), request_id, generations, generation)

        return counting

    def settling(self, abort: Abort, processor: Any) -> Abort:
        """The client's `abort`, which first counts what the aborted requests have used.

        vLLM itself calls it too, when a generator is closed. `processor` is its `OutputProcessor`.
        """

        @functools.wraps(abort)
        async def settled(request_id: str | Iterable[str], internal: bool = False) -> None:
            ids = [request_id] if isinstance(request_id, str) else list(request_id)
            try:
                for state in _states(processor, ids, internal):
                    generation = self._open.get(state.external_req_id)
                    if generation is not None:
                        generation.settle(state)
            finally:
                await abort(ids, internal)

        return settled

    async def _follow(
        self,
        outputs: Outputs,
        request_id: str,
        generations: cancellation.Generations,
        generation: Generation,
    ) -> Outputs:
        """The same outputs, counted. Closing them closes `outputs`, and vLLM then aborts."""
        self._open[request_id] = generation
        generations.ids.add(request_id)
        try:
            async for output in outputs:
                generation.add(output)
                yield output
        finally:
            try:
                await outputs.aclose()
            finally:
                generations.ids.discard(request_id)
                self._open.pop(request_id, None)


def counted_beams(search: Callable[..., Outputs]) -> Callable[..., Outputs]:
    """vLLM's `beam_search`, a method of its handlers, whose only output has all beams."""

    @functools.wraps(search)
    async def counting(*args: Any, **kwargs: Any) -> Outputs:
        account = usage.current.get()
        beams = _Beams(account) if account is not None else None
        _beams.set(beams)  # no token to reset: the generator may end in another task
        try:
            async for output in search(*args, **kwargs):
                if beams is not None and output.outputs:
                    beams.completion_tokens = sum(len(beam.token_ids) for beam in output.outputs)
                yield output
        finally:
            _beams.set(None)

    return counting


def _states(processor: Any, ids: list[str], internal: bool) -> Iterable[Any]:
    """vLLM's `RequestState` of each sequence of these requests, by internal or external ids."""
    if not internal:
        ids = [inner for outer in ids for inner in processor.external_req_ids.get(outer, ())]
    for request_id in ids:
        parent = processor.parent_requests.get(request_id)
        for child_id in parent.child_requests if parent is not None else (request_id,):
            state = processor.request_states.get(child_id)
            if state is not None:
                yield state
