"""Adapts valid requests to the guard's bounds, so that they reach the engine.

Loaded by schemathesis (`schemathesis.toml`). Requests that are invalid on purpose stay unchanged
and must be refused.
"""

import random
from typing import Any

import schemathesis  # type: ignore[import-not-found]

from app.guard.fields.placement import EVERYWHERE
from bench.serving.service import MODEL

FEW = 4
KEPT = 0.3
SUBJECTS = frozenset(
    {"model", "messages", "prompt", "input", "tokens", "query", "items", "questions", "state"}
)
COUNTED = {
    **dict.fromkeys(("max_tokens", "max_completion_tokens", "max_output_tokens", "n"), 1),
    **dict.fromkeys(("logprobs", "top_logprobs", "prompt_logprobs"), 0),
}


def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Keep numbers small and fields few, because most pairs of vLLM's many fields exclude each
    other.
    """
    meta, body = case.meta, case.body
    if meta is None or not meta.generation.mode.is_positive or not isinstance(body, dict):
        return
    chance = random.Random(repr(sorted(body)))
    closed = {*EVERYWHERE, "priority"}
    kept = {
        name: value
        for name, value in body.items()
        if name not in closed and (name in SUBJECTS or chance.random() < KEPT)
    }
    if isinstance(kept.get("model"), str):
        kept["model"] = MODEL
    if "/chat/completions" in case.operation.path:
        conversation = [{"role": "user", "content": "Why?"}]
        batch = case.operation.path.endswith("/batch")
        kept["messages"] = [conversation, conversation] if batch else conversation
    for name, minimum in COUNTED.items():
        if type(kept.get(name)) is int:
            kept[name] = min(max(kept[name], minimum), FEW)
    case.body = kept


schemathesis.hook(before_call)
