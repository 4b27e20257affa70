"""Passwords and names in Unicode's forms."""

import io
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import users
from app.auth import config, passwords
from app.errors import ConfigurationError
from tests.app.conftest import Service, run, salted_sha256, values

TYPED = "Zoë\u2019s café ﬁne \uff50\uff41\uff53\uff53 Ⅷ"
FORMS = {
    "NFC": unicodedata.normalize("NFC", TYPED),
    "NFD": unicodedata.normalize("NFD", TYPED),
    "NFKC": unicodedata.normalize("NFKC", TYPED),
    "NFKD": unicodedata.normalize("NFKD", TYPED),
}


@pytest.mark.parametrize("given", FORMS)
@pytest.mark.parametrize("hashed", FORMS)
def test_a_password_may_be_typed_in_any_form(
    make: Callable[..., Service], hashed: str, given: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("sys.stdin", io.StringIO(FORMS[hashed] + "\n"))
    assert users.main(["hash"]) == 0
    service = make(values(BOB_HASHED_PASSWORD=capsys.readouterr().out.strip()))
    assert run(service.login("bob", FORMS[given])).status_code == 200
    assert run(service.login("bob", FORMS[given] + "x")).status_code == 401


@pytest.mark.parametrize("form", FORMS)
def test_older_hashes_of_passwords_as_they_were_typed_are_accepted(form: str) -> None:
    for stored in (passwords._hasher.hash(FORMS[form]), salted_sha256(FORMS[form])):
        assert passwords.verify(stored, FORMS[form])
        assert not passwords.verify(stored, FORMS[form] + "x")


@pytest.mark.parametrize("password", ["plain text", FORMS["NFD"]])
@pytest.mark.parametrize("right", [True, False])
def test_every_user_costs_the_same_verifications(
    password: str, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the user exists, whatever the stored form, and whichever form is right."""
    hashed = password if right else "another password"
    stored = [
        None,
        passwords._hasher.hash(hashed),
        passwords.hash_password(hashed),
        salted_sha256(hashed),
    ]
    costs = []
    for one in stored:
        done: list[int] = []
        for name in ("_argon2", "_salted_sha256"):
            real: Any = getattr(passwords, name)

            def counted(*given: Any, real: Any = real, done: list[int] = done) -> bool:
                done.append(1)
                return bool(real(*given))

            with monkeypatch.context() as patched:
                patched.setattr(passwords, name, counted)
                passwords.verify(one, password)
        costs.append(len(done))
    assert set(costs) == {2 if password.isascii() else 4}


@given(st.text(min_size=1, max_size=20))
def test_the_form_is_stable(text: str) -> None:
    assert passwords.normal(passwords.normal(text)) == passwords.normal(text)


def test_the_size_of_a_password_is_that_of_its_form() -> None:
    with pytest.raises(ValueError, match="the password has 1025 bytes"):
        passwords.hash_password("x" * 1025)
    with pytest.raises(ValueError, match="the password has 4 bytes"):
        passwords.hash_password("\uff50\uff41\uff53\uff53")  # 12 bytes as typed
    with pytest.raises(ValueError, match="allowed: 8 to 1024"):
        passwords.hash_password("\ufdfa" * 300)  # 900 bytes as typed


def test_names_are_kept_in_their_form() -> None:
    assert set(config.parse(values(BOB_USERNAME=unicodedata.normalize("NFD", "zoë"))).users) == {
        "alice", "zoë", "gina",
    }  # fmt: skip
    for other in ("\uff41\uff4c\uff49\uff43\uff45", "alic\u212f"):
        with pytest.raises(ConfigurationError, match="the name of another alias"):
            config.parse(values(BOB_USERNAME=other))
    with pytest.raises(ConfigurationError, match="without spaces"):
        config.parse(values(BOB_USERNAME="b\u00a8b"))  # has a space in NFKC
