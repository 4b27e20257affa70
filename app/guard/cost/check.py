"""Compares the work of a request with the bounds of the service and of the caller's role."""

from collections.abc import Mapping
from typing import Any

from app.access import permissions
from app.access.permissions import Served
from app.access.roles import Role
from app.errors import out_of_bounds
from app.guard.bounds import Bounds
from app.guard.cost import work
from app.guard.cost.work import Work


def check(
    template: str, document: Mapping[str, Any], role: Role, limits: Bounds, served: Served
) -> tuple[Work, dict[str, Any]]:
    """The work of the request, and the cap of its answers to write into the document, if any.

    Raises RefusedError 400 for a request that is more work than a bound allows.
    """
    amount = work.of(template, document)
    if amount.prompt_bytes > limits.prompt_bytes:
        problem = (
            f"makes {amount.prompts} prompts with {amount.prompt_bytes} bytes of text in all; "
            f"allowed: {limits.prompt_bytes}; send fewer or shorter texts"
        )
        raise out_of_bounds(_several(template, document), problem)
    truncated = document.get("truncate_prompt_tokens") is not None
    if served.context is not None and amount.longest_prompt > served.context and not truncated:
        problem = (
            f"has {amount.longest_prompt} tokens; the context of the model has {served.context}"
        )
        raise out_of_bounds("prompt" if "prompt" in document else "input", problem)
    if template not in work.CAPS:
        return amount, {}
    named = next((f for f in work.CAPS[template] if document.get(f) is not None), None)
    cap = permissions.completion_cap(
        role, amount.answers, amount.asked, served.context, named or work.CAPS[template][0]
    )
    if cap is None or amount.cap_field is None:
        return amount, {}
    return amount, {amount.cap_field: cap}


def _several(template: str, document: Mapping[str, Any]) -> str:
    """The field to shorten."""
    if template == work.BATCH:
        return "messages"
    names = ("questions", "documents", "items", "text_2", "data_2")
    return next((name for name in names if name in document), "query")
