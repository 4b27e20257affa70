"""Stored answers belong to the caller who asked for them, see `app.access.answers`.

Operators are exempt, because they can read the engine's memory anyway.
"""

from app.access import permissions
from app.access.answers import Ids
from app.access.roles import Role
from app.errors import RefusedError
from app.guard import json_body
from app.guard.payload import Payload

CREATE = "/v1/responses"
STORED = frozenset({"/v1/responses/{response_id}", "/v1/responses/{response_id}/cancel"})
"""The routes that name an answer in their path."""


def check_path(path: str, role: Role, ids: Ids) -> None:
    """Raise RefusedError 404 unless the answer in the path of a route of `STORED` is the caller's.

    The engine is not asked, so that nobody learns which answers of others exist.
    """
    answer = path.removeprefix(f"{CREATE}/").partition("/")[0]
    _check(answer, "response_id", role, ids)


def owned(given: Payload, role: Role, ids: Ids) -> Payload:
    """The body of a request for an answer, with an id that says whose the answer will be.

    Raises RefusedError 404 for a conversation that is continued from another caller's answer. An
    operator's own `request_id` stays.
    """
    document = given.content
    assert isinstance(document, dict)  # the route takes no form
    previous = document.get("previous_response_id")
    if previous is not None:
        _check(previous, "previous_response_id", role, ids)
    if document.get("request_id") is not None:
        return given
    added = {"request_id": ids.new()}
    body = json_body.with_members(given.body, not document, added)
    document.update(added)
    return Payload(body, document)


def _check(answer: object, field: str, role: Role, ids: Ids) -> None:
    if not ids.own(answer) and not permissions.operates(role):
        text = "No answer of this id is kept for you; only the user who asked for it may use it."
        raise RefusedError(404, "not_found", text, param=field)
