"""Adapts valid requests to the guard's bounds, so that they reach the engine.

Loaded by schemathesis (`schemathesis.toml`). Requests that are invalid on purpose stay unchanged
and must be refused, unless pydantic's lax mode accepts them.
"""

import random
from typing import Any

import schemathesis  # type: ignore[import-not-found]
from schemathesis.core.jsonschema import make_validator  # type: ignore[import-not-found]
from schemathesis.specs.openapi import checks  # type: ignore[import-not-found]

from app.guard.fields.placement import EVERYWHERE
from bench.serving.service import MODEL
from tests.app_live.lax import widened

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


def negative_body_rejection(context: Any, response: Any, case: Any) -> bool | None:
    """schemathesis's `negative_data_rejection`, for bodies that pydantic would reject too."""
    if case.operation.method.upper() != "POST" or response.status_code >= 400 or lax(case):
        return None
    rejected: bool | None = checks.negative_data_rejection(context, response, case)
    return rejected


def lax(case: Any) -> bool:
    described = case.operation.get_body_for_media_type(case.media_type)
    if case.media_type != "application/json" or described is None:
        return False
    kind = case.operation.schema.adapter.jsonschema_validator_cls
    validator = make_validator(widened(described.optimized_schema), kind)
    return bool(validator.is_valid(case.body))


schemathesis.check(negative_body_rejection)
schemathesis.hook(before_call)
