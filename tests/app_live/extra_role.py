"""Adds a role for one test to the running service, which reloads its auth-config."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from bench.serving.service import ROLES, Service

RELOAD_SECONDS = 10.0


@contextmanager
def extra_role(service: Service, name: str, **role: Any) -> Iterator[dict[str, str]]:
    """The headers of a caller with that role, while the role exists."""
    service.write("ROLES", json.dumps({**json.loads(ROLES), name: role}))
    deadline = time.monotonic() + RELOAD_SECONDS
    try:
        # By a different caller of the role, because a call counts.
        while httpx.get(f"{service.url}/version", headers=service.headers(name)).status_code == 401:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the role {name} is not known after {RELOAD_SECONDS} s")
            time.sleep(0.2)
        yield service.headers(name)
    finally:
        service.write("ROLES", ROLES)
