"""The client's address as HAProxy reports it is trusted only with the proof."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.auth.lockout import FAILURES
from app.guard import client_address
from tests.app.conftest import PASSWORDS, Service, run

TOKEN = "the cluster's token"
SCRIPT = Path(__file__).parents[3] / "app" / "haproxy.sh"
CONFIGURATION = "frontend prometheus\n    bind :1\nfrontend http_frontend\n    bind *:2\n"


def test_without_a_ray_token_there_is_no_proof(tmp_path: Path) -> None:
    assert client_address.proxy_proof("", None) == b""
    assert client_address.proxy_proof("", tmp_path / "nowhere") == b""
    assert client_address.behind_serve("10.0.0.1", b"192.0.2.7", b"", b"") == "10.0.0.1"


@pytest.mark.parametrize("given", [None, b"", b"wrong", b"\xff"])
def test_an_address_without_the_proof_is_not_trusted(given: bytes | None) -> None:
    expected = client_address.proxy_proof(TOKEN, None)
    assert client_address.behind_serve("10.0.0.1", b"192.0.2.7", given, expected) == "10.0.0.1"
    assert client_address.behind_serve("10.0.0.1", None, expected, expected) == "10.0.0.1"
    assert client_address.behind_serve("10.0.0.1", b"192.0.2.7", expected, expected) == "192.0.2.7"


def started(tmp_path: Path, **environ: str) -> tuple[list[str], str]:
    """The arguments and the configuration that HAProxy receives from our script."""
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(CONFIGURATION)
    haproxy, python = tmp_path / "haproxy", tmp_path / "python"
    haproxy.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.write_text(f"#!/bin/sh\necho '{haproxy}'\n")
    for file in (haproxy, python):
        file.chmod(0o755)
    ran = subprocess.run(
        [str(SCRIPT), "-db", "-f", str(configuration), "-sf", "1", "2"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **environ},
        check=True, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert ran.stderr == ""
    return ran.stdout.splitlines(), configuration.read_text()


def test_the_script_and_the_guard_compute_the_same_proof(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    for environ, proof in (
        ({"RAY_AUTH_TOKEN": TOKEN}, client_address.proxy_proof(TOKEN, None)),
        ({"RAY_AUTH_TOKEN_PATH": str(file)}, client_address.proxy_proof("", file)),
    ):
        arguments, configuration = started(tmp_path, **environ)
        assert arguments == ["-dS", "-db", "-f", str(tmp_path / "haproxy.cfg"), "-sf", "1", "2"]
        assert configuration == CONFIGURATION.replace(
            "http_frontend\n",
            "http_frontend\n    http-request set-header x-rayline-client %[src]\n"
            f"    http-request set-header x-rayline-proof {proof.decode()}\n",
        )
        assert TOKEN not in configuration
        assert (tmp_path / "haproxy.cfg").stat().st_mode & 0o077 == 0
    assert started(tmp_path)[1] == CONFIGURATION


def test_behind_the_proxy_a_lock_is_per_user_and_address(make: Callable[..., Service]) -> None:
    expected = client_address.proxy_proof(TOKEN, None)
    service = make(ray_token=TOKEN)

    async def login(password: str, client: str, given: bytes) -> int:
        async with service.client("10.0.0.1") as http:
            headers = [(client_address.CLIENT, client.encode()), (client_address.PROOF, given)]
            form = {"username": "bob", "password": password}
            answer: httpx.Response = await http.post("/token", data=form, headers=headers)
            return answer.status_code

    for _ in range(FAILURES):
        assert run(login("wrong", "192.0.2.1", expected)) == 401
    assert run(login(PASSWORDS["bob"], "192.0.2.1", expected)) == 429
    assert run(login(PASSWORDS["bob"], "192.0.2.2", expected)) == 200
    # A client that invents addresses still counts under its own.
    for number in range(FAILURES):
        assert run(login("wrong", f"198.51.100.{number}", b"guess")) == 401
    assert run(login("wrong", "198.51.100.9", b"guess")) == 429
