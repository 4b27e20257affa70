"""The body that the engine receives: checked against the bounds and the caller's role.

It is passed on byte for byte, unless the role requires a field to be written into it.
"""

import json
from collections.abc import Mapping
from typing import Any

from app.access import permissions
from app.access.permissions import Served
from app.access.roles import Role
from app.access.routes import AUDIO, OPERATE, Route
from app.guard import body as bodies
from app.guard import bounds
from app.guard.bounds import Bounds
from app.guard.cost import check as cost
from app.guard.grammar import check as grammars
from app.guard.grammar.compiler import Compiler

_FORM_NUMBERS = frozenset({"n", "max_completion_tokens"})


async def checked(
    body: bytes,
    content_type: bytes | None,
    route: Route,
    role: Role,
    limits: Bounds,
    served: Served,
    compiler: Compiler,
) -> bytes:
    """The body for the engine; RefusedError 400, 403 or 415 for one that is not permitted."""
    if not body and route.group == OPERATE:
        return body
    is_form = route.group == AUDIO
    document = _document(bodies.form(content_type, body)) if is_form else bounds.parse(body)
    bounds.check(document, route.template, limits, permissions.closed_fields(role))
    work, added = cost.check(route.template, document, role, limits, served)
    added |= permissions.apply(role, route, document, served)
    if route.group != OPERATE:  # last, because it may wait for a process
        await grammars.check(
            route.template, document, role, limits.grammar_bytes, work.prompts, compiler
        )
    return json.dumps({**document, **added}).encode() if added and not is_form else body


def _document(form: Mapping[str, str]) -> dict[str, Any]:
    """The fields of an audio form, with the numbers that bounds and roles limit as integers."""
    return {k: int(v) if k in _FORM_NUMBERS and v.isdecimal() else v for k, v in form.items()}
