"""Checks the service against GET /openapi.json: schemathesis with all of its checks.

schemathesis runs as a separate program with `schemathesis.toml`, which bounds its time. Its report
is the message of a failure. It reads the service's own document, in which only the requests are
widened by what pydantic's lax mode accepts (`lax.py`), so that a text for a number is valid too.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.access.roles import DEFAULTS
from bench.serving.cluster import ROOT
from bench.serving.service import Service
from tests.app_live.extra_role import extra_role
from tests.app_live.lax import with_lax_requests
from tests.app_live.reached import reached

pytestmark = [pytest.mark.live]

CONFIG = Path(__file__).with_name("schemathesis.toml")


def caller(name: str, headers: dict[str, str]) -> dict[str, Any]:
    """One of the callers of `schemathesis.toml`, in the form of Web Fuzzing Commons."""
    fixed = [{"name": header, "value": value} for header, value in headers.items()]
    return {"name": name, "fixedHeaders": fixed}


def test_every_answer_is_described(service: Service, tmp_path: Path) -> None:
    """For a role with the routes of `user`, no limit of requests and short answers."""
    program = Path(sys.executable).with_name("schemathesis")
    before = reached(service)
    groups = sorted(DEFAULTS["user"].groups)
    with extra_role(service, "described", groups=groups, max_tokens=8) as headers:
        described = httpx.get(f"{service.url}/openapi.json", headers=headers, timeout=30)
        (tmp_path / "openapi.json").write_text(json.dumps(with_lax_requests(described.json())))
        (tmp_path / "callers.json").write_text(
            json.dumps(
                {"auth": [caller("first", headers), caller("second", service.headers("described"))]}
            )
        )
        ran = subprocess.run(
            [str(program), "--no-color", "--config-file", str(CONFIG), "run", "openapi.json",
             "--url", service.url],
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=400,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2000:]
    counts = reached(service) - before
    print(
        ran.stdout[-1500:], *(f"{key}: {count}" for key, count in sorted(counts.items())), sep="\n"
    )
    # schemathesis would also accept a guard that refuses everything, so the engine must have
    # answered.
    assert counts.total() > 200
    # How many routes it reaches in its time depends on the machine.
    assert sum(count for (_, status), count in counts.items() if status == "2xx") > 20
