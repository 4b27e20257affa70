"""GET /v1/models behind the guard: the models that the caller's role may use."""

import json

from app.access import permissions
from app.access.permissions import Served
from app.access.roles import Role


def allowed(body: bytes, role: Role, served: Served) -> bytes:
    """vLLM's list without the models that the role may not use. Adapters are models too."""
    answer = json.loads(body)
    answer["data"] = [
        card for card in answer["data"] if permissions.may_use(role, card["id"], served)
    ]
    return json.dumps(answer, separators=(",", ":")).encode()
