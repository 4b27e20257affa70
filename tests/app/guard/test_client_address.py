"""The client's address as HAProxy reports it is trusted only with the proof."""

import ipaddress
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.auth.lockout import FAILURES
from app.guard import client_address
from tests.app.conftest import PASSWORDS, Service, run

TOKEN = "the cluster's token"


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


@pytest.mark.parametrize(
    "reported",
    [
        "", "x", "192.0.2.7,192.0.2.8", "192.0.2.7\nid=req-1", "fe80::1%eth0", "fe80::1%\nid=req-1",
        "192.0.2.7 ", "192.0.2.07", "[2001:db8::1]", "\xff",
    ],
)  # fmt: skip
def test_only_an_address_is_taken_for_one(reported: str) -> None:
    """A zone of `ipaddress` may contain any characters, and addresses are logged."""
    expected = client_address.proxy_proof(TOKEN, None)
    given = reported.encode("latin-1")
    assert client_address.behind_serve("10.0.0.1", given, expected, expected) == "10.0.0.1"
    assert client_address.behind_serve(reported, None, None, expected) == client_address.UNKNOWN
    trusted = (ipaddress.ip_network("10.0.0.0/8"),)
    assert client_address.behind_trusted("10.0.0.1", given, trusted[:0]) == "10.0.0.1"
    if "," not in reported and reported.strip() != "192.0.2.7":
        assert client_address.behind_trusted("10.0.0.1", given, trusted) == "10.0.0.1"


def test_one_client_has_one_spelling() -> None:
    expected = client_address.proxy_proof(TOKEN, None)
    for given, usual in (
        (b"::ffff:192.0.2.7", "192.0.2.7"),
        (b"2001:DB8:0:0::1", "2001:db8::1"),
    ):
        assert client_address.behind_serve("10.0.0.1", given, expected, expected) == usual


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
