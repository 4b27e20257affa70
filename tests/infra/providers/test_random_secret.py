"""Generated secrets: as strong as configured ones, and generated once."""

import pytest

from app.auth import passwords
from infra.providers.random_secret import RandomSecretProvider, generate
from infra.settings.secret_forms import hash_problem, jwt_key_problem
from tests.infra.providers.calls import call

PROVIDER = RandomSecretProvider()
PROPS = {"kind": "password", "serial": 0}


def test_the_service_accepts_a_generated_key() -> None:
    key = generate("key")["value"]
    assert jwt_key_problem(key) is None
    assert generate("key")["value"] != key


def test_a_password_matches_its_hash() -> None:
    secret = generate("password")
    assert len(secret["value"]) >= 20
    assert hash_problem(secret["hash"]) is None
    assert passwords.verify(secret["hash"], secret["value"])
    assert not passwords.verify(secret["hash"], secret["value"] + "x")


def test_it_is_generated_once_and_again_when_the_serial_changes() -> None:
    outs = PROVIDER.create(call(), PROPS).outs
    assert PROVIDER.diff("id", outs, PROPS).changes is False
    assert PROVIDER.update(call(), "id", outs, PROPS) == outs
    again = PROVIDER.diff("id", outs, {**PROPS, "serial": 1})
    assert (again.changes, again.replaces) == (True, ["serial"])


@pytest.mark.parametrize("kind", ["key", "password"])
def test_every_secret_is_different(kind: str) -> None:
    assert len({generate(kind)["value"] for _ in range(3)}) == 3
