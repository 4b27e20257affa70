"""Encrypted values: hashes and keys, as app.auth accepts them."""

import pytest
from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.auth import config as app_auth
from app.auth import passwords
from app.errors import ConfigurationError as ServiceError
from infra.settings import secret_forms
from tests.infra.parity import (
    HASH,
    KEY,
    hashes,
)


@examples(max_examples=500)
@given(hashes())
def test_a_hash_that_infra_accepts_the_service_accepts(stored: str) -> None:
    if secret_forms.hash_problem(stored) is None:
        passwords.weakness(stored.strip())
        passwords.verify(stored.strip(), "x") if len(stored) < 90 else None


@pytest.mark.parametrize("form", [HASH, "0" * 96, "a" * 32 + ":" + "b" * 64, f" {HASH}\n"])
def test_every_form_that_the_service_accepts_infra_accepts(form: str) -> None:
    assert secret_forms.hash_problem(form) is None


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (HASH.replace("m=64", "m=262145"), "costs 262145 KiB"),
        (HASH.replace("t=1", "t=11"), "11 passes"),
        (HASH.replace("p=1", "p=9"), "argon2 does not accept"),
        (HASH.replace("argon2id", "argon2i"), "neither an argon2id"),
        (HASH[:-2], "neither an argon2id"),
    ],
)
def test_a_hash_that_no_login_can_match_is_refused(stored: str, text: str) -> None:
    assert text in (secret_forms.hash_problem(stored) or "")
    assert not passwords.verify(stored, "a password")


KEYS = (
    st.sampled_from([KEY, "x" * 64, KEY[:31], "change-me-" * 5, *app_auth._KNOWN_KEYS]) | st.text()
)


@examples(max_examples=300)
@given(KEYS, st.lists(KEYS | st.sampled_from([",", " ", "\n"]), max_size=3).map(" ".join))
def test_keys_are_judged_alike(current: str, previous: str) -> None:
    assume(current.strip() and "\0" not in current + previous)
    for name, value, problem in (
        ("JWT_KEY", current, secret_forms.jwt_key_problem(current)),
        ("JWT_PREVIOUS_KEYS", previous, secret_forms.previous_keys_problem(previous)),
    ):
        try:
            app_auth.parse_keys({"JWT_KEY": KEY, name: value})
        except ServiceError:
            assert problem is not None
        else:
            assert problem is None


def test_the_published_keys_are_the_same() -> None:
    assert secret_forms._PUBLISHED_KEYS == app_auth._KNOWN_KEYS
    assert secret_forms._PLACEHOLDER == app_auth._DEFAULT_WORDS
