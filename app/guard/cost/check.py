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
    if amount.longest_prompt > (served.context or 2**31) and not _truncated(document):
        problem = (
            f"has {amount.longest_prompt} tokens; the context of the model has {served.context}"
        )
        raise out_of_bounds("prompt" if "prompt" in document else "input", problem)
    fields = work.CAPS.get(template)
    if fields is None or role.max_tokens is None:
        return amount, {}
    cap = permissions.completion_cap(
        role, amount.answers, amount.asked, served.context, _given(document, fields)
    )
    return amount, {} if cap is None or amount.cap_field is None else {amount.cap_field: cap}


def _truncated(document: Mapping[str, Any]) -> bool:
    return document.get("truncate_prompt_tokens") is not None


def _given(document: Mapping[str, Any], fields: tuple[str, ...]) -> str:
    """The field of the request's cap, or the one in which it would be."""
    for field in fields:
        if document.get(field) is not None:
            return field
    return fields[0]


def _several(template: str, document: Mapping[str, Any]) -> str:
    """The field to shorten."""
    if template == work.BATCH:
        return "messages"
    names = ("questions", "documents", "items", "text_2", "data_2")
    return next((name for name in names if name in document), "query")
