"""The body that the engine receives: read, and checked against the bounds and the caller's role.

It is passed on byte for byte, unless the role requires a field to be written into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.access import permissions
from app.access.permissions import Served
from app.access.roles import Role
from app.access.routes import AUDIO, OPERATE, WITHOUT_BODY, Route
from app.guard import forms, json_body
from app.guard.bounds import Bounds
from app.guard.fields import shape
from app.guard.fields.table import Table
from app.guard.handover import Content

_FORM_NUMBERS = frozenset({"n", "max_completion_tokens"})


@dataclass(frozen=True, slots=True)
class Payload:
    """A body as bytes, and what they contain; None for a body that the guard does not read."""

    body: bytes
    content: Content | None = None


async def checked(
    body: bytes,
    content_type: bytes | None,
    route: Route,
    role: Role,
    limits: Bounds,
    served: Served,
    table: Table,
) -> Payload:
    """The body for the engine; RefusedError 400, 403, 413 or 415 for one that is not permitted."""
    if not body and route.group == OPERATE:
        return Payload(body)
    if not body and route.template in WITHOUT_BODY:
        permissions.check_model(role, None, served)
        return Payload(body)
    if route.group == AUDIO:
        form = await forms.read(content_type, body)
        try:
            await _judge(_document(forms.fields(form)), route, role, limits, served, table)
        except BaseException:
            await form.close()
            raise
        return Payload(body, form)
    document = await json_body.read(body, limits.json_items)
    added = await _judge(document, route, role, limits, served, table)
    written = json_body.with_members(body, not document, added)
    document.update(added)
    return Payload(written, document)


async def _judge(
    document: dict[str, Any],
    route: Route,
    role: Role,
    limits: Bounds,
    served: Served,
    table: Table,
) -> dict[str, Any]:
    """Refuse what is not permitted, and return the fields to write into the document."""
    await table.check(document, route, limits, permissions.operates(role))
    return permissions.apply(role, route, document, served, shape.caps(route))


def _document(form: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an audio form, with the numbers that bounds and roles limit as integers."""
    document = dict(form)
    for name in _FORM_NUMBERS & document.keys():
        if form[name].isascii() and form[name].isdecimal():
            document[name] = int(form[name])
    return document
