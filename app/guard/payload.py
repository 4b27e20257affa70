"""The body that the engine receives: read, and checked against the bounds and the caller's role.

It is passed on byte for byte, unless the role requires a field to be written into it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.access import permissions
from app.access.permissions import Served
from app.access.roles import Role
from app.access.routes import AUDIO, OPERATE, WITHOUT_BODY, Route
from app.guard import forms, json_body
from app.guard.bounds import Bounds
from app.guard.cost import check as cost
from app.guard.fields.table import Table
from app.guard.grammar import check as grammars
from app.guard.grammar.compiler import Compiler
from app.guard.handover import Content

_FORM_NUMBERS = frozenset({"n", "max_completion_tokens"})


class Payload(NamedTuple):
    """A body as bytes, and what they contain; None for a body that the guard does not read."""

    body: bytes
    content: Content | None = None


class Rules(NamedTuple):
    """What a body is judged by, apart from the caller's role."""

    limits: Bounds
    served: Served
    table: Table
    compiler: Compiler


async def checked(
    body: bytes, content_type: bytes | None, route: Route, role: Role, rules: Rules
) -> Payload:
    """The body for the engine; RefusedError 400, 403, 413, 415 or 429 for one that is not permitted
    or cannot be judged now."""
    if not body and route.group == OPERATE:
        return Payload(body)
    if not body and route.template in WITHOUT_BODY:
        permissions.check_model(role, None, rules.served)
        return Payload(body)
    if route.group == AUDIO:
        form = await forms.read(content_type, body)
        try:
            await _judge(_document(forms.fields(form)), route, role, rules)
        except BaseException:
            await form.close()
            raise
        return Payload(body, form)
    document = await json_body.read(body, rules.limits.json_items)
    added = await _judge(document, route, role, rules)
    written = json_body.with_members(body, not document, added)
    document.update(added)
    return Payload(written, document)


async def _judge(
    document: dict[str, Any], route: Route, role: Role, rules: Rules
) -> dict[str, Any]:
    """Refuse what is not permitted, and return the fields to write into the document."""
    limits, served = rules.limits, rules.served
    await rules.table.check(document, route, limits, permissions.operates(role))
    work, added = cost.check(route.template, document, role, limits, served)
    added |= permissions.apply(role, route, document, served)
    if route.group != OPERATE:  # last, because it may wait for a process
        size = limits.grammar_bytes
        await grammars.check(route.template, document, role, size, work.prompts, rules.compiler)
    return added


def _document(form: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an audio form, with the numbers that bounds and roles limit as integers."""
    document = dict(form)
    for name in _FORM_NUMBERS & document.keys():
        if form[name].isascii() and form[name].isdecimal():
            document[name] = int(form[name])
    return document
