"""What a role permits one request: routes, models, privileged fields, completion size, priority.

Every decision that depends on the caller's role is taken here, or in `app.access.limits` where it
depends on the caller's earlier requests. The guard only calls these functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.access.fields import shortened
from app.access.roles import Role
from app.access.routes import INFERENCE, OPERATE, Route
from app.errors import RefusedError, out_of_bounds


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


def may_send_grammars(role: Role) -> bool:
    """Whether the role may send EBNF and Lark grammars and structural tags."""
    return role.grammars or OPERATE in role.groups


def apply(role: Role, route: Route, document: Mapping[str, Any], served: Served) -> dict[str, Any]:
    """The fields to write into the document for this role, usually none.

    `document` is the JSON body or, for audio, the form. Raises RefusedError 400 or 403 when it asks
    for more than the role permits.
    """
    added: dict[str, Any] = {}
    if route.group != OPERATE:
        check_model(role, document.get("model"), served)
        if served.by_priority and route.group == INFERENCE:
            added["priority"] = role.priority
    return added


def completion_cap(
    role: Role, answers: int, asked: int | None, context: int | None, field: str
) -> int | None:
    """The tokens to which each answer of a request must be capped; None if none is needed.

    The role's `max_tokens` is for the whole request: its `answers` share it. `asked` is what the
    request asks for per answer in `field`; None means "up to the context", in tokens. Raises
    RefusedError 400 when the request asks for more than the role permits.
    """
    most = role.max_tokens
    if most is None:
        return None
    each = most // answers
    if each == 0 or (asked is not None and asked > each):
        per = f" for each of {answers} answers" if answers > 1 else ""
        amount = "is absent" if asked is None else f"is {shortened(asked)}"
        allowed = f"your role allows at most {most}"
        if answers > 1:
            allowed += f" in one request, so {each} for each answer"
        raise out_of_bounds(field, f"{amount}{per}; {allowed}")
    return None if asked is not None or (context is not None and context <= each) else each
