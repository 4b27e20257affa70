"""Secrets that nobody gave: as strong as given ones, and made once."""

import pytest

from app.auth import passwords
from infra.providers.random_secret.provider import GeneratedSecretProvider, made
from infra.settings.secret_keys import hash_problem, jwt_key_problem

PROVIDER = GeneratedSecretProvider()
PROPS = {"kind": "password", "serial": 0}


def test_a_key_is_one_that_the_service_accepts() -> None:
    key = made("key")["value"]
    assert jwt_key_problem(key) is None
    assert made("key")["value"] != key


def test_a_password_opens_its_hash() -> None:
    secret = made("password")
    assert len(secret["value"]) >= 20
    assert hash_problem(secret["hash"]) is None
    assert passwords.verify(secret["hash"], secret["value"])
    assert not passwords.verify(secret["hash"], secret["value"] + "x")


def test_it_is_made_once_and_again_when_asked_to() -> None:
    outs = PROVIDER.create(PROPS).outs
    assert outs is not None
    assert PROVIDER.diff("id", outs, PROPS).changes is False
    assert PROVIDER.update("id", outs, PROPS).outs == outs
    again = PROVIDER.diff("id", outs, {**PROPS, "serial": 1})
    assert (again.changes, again.replaces) == (True, ["serial"])


@pytest.mark.parametrize("kind", ["key", "password"])
def test_every_one_is_another(kind: str) -> None:
    assert len({made(kind)["value"] for _ in range(3)}) == 3
