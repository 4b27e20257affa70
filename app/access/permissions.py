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


@dataclass(frozen=True, slots=True)
class Caps:
    """The fields that cap one answer's tokens on a route."""

    fields: tuple[str, ...] = ()
    written: str | None = None
    """The field to write where a request has none of them, if there is one."""
    small_default: bool = False
    """Whether vLLM's cap for an absent field is small, so that only null means "no limit"."""


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


def operates(role: Role) -> bool:
    """Whether the role may set fields that reach into the engine."""
    return OPERATE in role.groups


def apply(
    role: Role, route: Route, document: Mapping[str, Any], served: Served, caps: Caps
) -> dict[str, Any]:
    """The fields to write into the document for this role, usually none.

    `document` is the JSON body or, for audio, the form; `caps` are the route's. Raises RefusedError
    400 or 403 when it asks for more than the role permits.
    """
    added = _completion_cap(role, document, served, caps)
    if route.group != OPERATE:
        check_model(role, document.get("model"), served)
        if served.by_priority and route.group == INFERENCE:
            added["priority"] = role.priority
    return added


def _completion_cap(
    role: Role, document: Mapping[str, Any], served: Served, caps: Caps
) -> dict[str, Any]:
    cap = role.max_tokens
    if cap is None:
        return {}
    asked = False
    for field in caps.fields:
        value = document.get(field)
        if value is not None:
            asked = True
            if integer(field, value) > cap:
                problem = f"is {shortened(value)}; your role allows at most {cap}"
                raise out_of_bounds(field, problem)
    if asked or caps.written is None or (caps.small_default and caps.written not in document):
        return {}
    fits = served.context is not None and served.context <= cap
    return {} if fits else {caps.written: cap}
