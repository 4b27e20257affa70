"""What a role permits one request: routes, models, privileged fields, completion size, priority.

Every decision that depends on the caller's role is taken here, or in `app.access.limits` where it
depends on the caller's earlier requests. The guard only calls these functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.access.fields import integer, shortened
from app.access.roles import Role
from app.access.routes import INFERENCE, OPERATE, Route
from app.errors import RefusedError, out_of_bounds

PRIVILEGED = (
    "chat_template",
    "ec_transfer_params",
    "kv_transfer_params",
    "media_io_kwargs",
    "mm_payload",
    "mm_processor_kwargs",
    "request_id",
    "return_mm_kwargs",
    "vllm_xargs",
)
"""Top-level fields that reach into the engine; they need the group `operate`."""
EMBEDDINGS = frozenset({"prompt_embeds", "image_embeds", "audio_embeds", "video_embeds"})
"""Fields with tensors, at any depth; they too need the group `operate`."""
_MAX_TOKENS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_CAP_FIELD: Mapping[str, str] = {
    "/v1/chat/completions": "max_completion_tokens",
    "/v1/chat/completions/batch": "max_completion_tokens",
    "/v1/completions": "max_tokens",
    "/v1/responses": "max_output_tokens",
    "/cohere/v2/chat": "max_tokens",
}
_HAS_SMALL_DEFAULT = frozenset({"/v1/completions"})
"""Routes where vLLM's default for an absent field is small, and only null means "no limit"."""


@dataclass(frozen=True, slots=True)
class Served:
    """Facts about the served model on which a role's limits depend."""

    models: tuple[str, ...]
    """Names of the model: its own first, which answers a request without `model`, then aliases."""
    context: int | None
    """Context length in tokens, where it is known."""
    by_priority: bool
    """Whether the engine schedules by priority."""


def check_route(role: Role, route: Route) -> None:
    """Raise RefusedError 403 unless the role may call the route."""
    if route.group not in role.groups:
        message = f"Your role {role.name!r} may not call this route."
        raise RefusedError(403, "route_not_allowed", message)


def may_use(role: Role, model: object, served: Served) -> bool:
    """Whether the role may use the model; None is the served model.

    A role that may use the served model by one of its names may use it by all of them.
    """
    if role.models is None:
        return True
    if model is None or model in served.models:
        return not role.models.isdisjoint(served.models)
    return isinstance(model, str) and model in role.models


def check_model(role: Role, model: object, served: Served) -> None:
    """Raise RefusedError 403 unless the role may use the model; None is the served model."""
    if not may_use(role, model, served):
        allowed = ", ".join(sorted(role.models or ())) or "none"
        message = f"Your role may not use this model; allowed: {allowed}."
        raise RefusedError(403, "model_not_allowed", message, param="model")


def closed_fields(role: Role) -> frozenset[str]:
    """The fields that the role may not set at any depth of the document."""
    return frozenset() if OPERATE in role.groups else EMBEDDINGS


def apply(role: Role, route: Route, document: Mapping[str, Any], served: Served) -> dict[str, Any]:
    """The fields to write into the document for this role, usually none.

    `document` is the JSON body or, for audio, the form. Raises RefusedError 400 or 403 when it asks
    for more than the role permits.
    """
    if OPERATE not in role.groups:
        _check_privileged(document)
    added = _completion_cap(role, route, document, served)
    if route.group != OPERATE:
        check_model(role, document.get("model"), served)
        if served.by_priority and route.group == INFERENCE:
            added["priority"] = role.priority
    return added


def _check_privileged(document: Mapping[str, Any]) -> None:
    for field in PRIVILEGED:
        if document.get(field) is not None:
            raise out_of_bounds(field, "may not be set by your role; omit it")
    if document.get("priority") not in (None, 0):
        raise out_of_bounds("priority", "is determined by your role; omit it")


def _completion_cap(
    role: Role, route: Route, document: Mapping[str, Any], served: Served
) -> dict[str, Any]:
    cap = role.max_tokens
    if cap is None:
        return {}
    asked = False
    for field in _MAX_TOKENS:
        value = document.get(field)
        if value is not None:
            asked = True
            if integer(field, value) > cap:
                problem = f"is {shortened(value)}; your role allows at most {cap}"
                raise out_of_bounds(field, problem)
    field = _CAP_FIELD.get(route.template, "")
    if asked or not field or (route.template in _HAS_SMALL_DEFAULT and field not in document):
        return {}
    return {} if served.context is not None and served.context <= cap else {field: cap}
