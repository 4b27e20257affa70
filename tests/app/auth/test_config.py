"""The auth-config: refusals at start, reload, rotation, service tokens."""

import logging
from collections.abc import Callable
from pathlib import Path

import argon2
import jwt
import pytest

from app.auth import config, passwords, source
from app.auth.identity import Authenticator
from app.auth.tokens import LEEWAY_S
from app.errors import ConfigurationError
from tests.app.calls import post
from tests.app.conftest import (
    HASHES,
    KEY,
    OLD_KEY,
    PASSWORDS,
    Service,
    build,
    run,
    salted_sha256,
    values,
    write,
)


def call(service: Service, headers: dict[str, str]) -> int:
    return post(service, user=None, headers=headers).status_code


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"JWT_KEY": ""}, "JWT_KEY is missing"),
        ({"JWT_KEY": "short"}, "at least 32"),
        ({"JWT_KEY": "x" * 31}, "at least 32"),
        ({"JWT_KEY": "x" * 64}, "only repeats"),
        ({"JWT_KEY": "your-256-bit-secret-your-256-bit-secret"}, "placeholder"),
        ({"JWT_KEY": "change-me-change-me-change-me-please"}, "placeholder"),
        (
            {"JWT_KEY": "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"},
            "placeholder",
        ),
        ({"JWT_PREVIOUS_KEYS": "short"}, "JWT_PREVIOUS_KEYS (number 1)"),
        ({"BOB_ROLE": "emperor"}, "admin, user, guest"),
        ({"BOB_ROLE": ""}, "BOB_ROLE is missing"),
        ({"BOB_USERNAME": "alice"}, "the name of another alias"),
        ({"BOB_USERNAME": "b o b"}, "without spaces"),
        ({"BOB_HASHED_PASSWORD": "plain text"}, "neither argon2id"),
        ({"BOB_HASHED_PASSWORD": "$argon2i$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$aGFzaA"}, "neither"),
        ({"USER_LIST": "BOB, ../X"}, "allowed: letters"),
        ({"ACCESS_TOKEN_EXPIRE_MINUTES": "0"}, "allowed: 1 to"),
        ({"ACCESS_TOKEN_EXPIRE_MINUTES": "an hour"}, "allowed: 1 to"),
        ({"SKIP_EXP_CHECK": "maybe"}, "allowed: true, false"),
        ({"ROLES": "{"}, "ROLES is not JSON"),
        ({"ROLES": '{"user": {"colour": 1}}'}, "'colour'; allowed"),
        ({"ROLES": '{"user": {"groups": ["all"]}}'}, "allowed: audio"),
        ({"ROLES": '{"user": {"concurrent": 0}}'}, "an integer from 1"),
        ({"ROLES": '{"user": {"models": "a"}}'}, "a list of names"),
    ],
)
def test_a_bad_configuration_is_refused_with_a_reason_and_no_secret(
    changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Authenticator(values(**changes))
    assert message in str(caught.value)
    for name, value in changes.items():
        if ("KEY" in name or "PASSWORD" in name) and value:
            assert value not in str(caught.value)


def test_no_repr_contains_a_secret() -> None:
    shown = repr(config.parse(values(JWT_PREVIOUS_KEYS=OLD_KEY)))
    for secret in (KEY, OLD_KEY, *HASHES.values()):
        assert secret not in shown


def test_the_older_hash_is_accepted_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    for form in (
        salted_sha256("secret12"),
        "a" * 32 + ":" + salted_sha256("secret12", "a" * 32)[32:],
    ):
        assert passwords.verify(form, "secret12")
        assert not passwords.verify(form, "secret13")
    with caplog.at_level(logging.WARNING):
        service = build(values(BOB_HASHED_PASSWORD=salted_sha256("secret12")))
    assert "user 'bob': salted SHA-256" in caplog.text
    assert run(service.login("bob", "secret12")).status_code == 200
    assert run(service.login("bob", "secret13")).status_code == 401
    service.guard.close()


def test_argon2_of_other_cost_is_accepted_and_reported() -> None:
    dear = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=2).hash("pw pw pw")
    assert "a different duration" in (passwords.weakness(dear) or "")
    assert passwords.weakness(HASHES["bob"]) is None
    with pytest.raises(ConfigurationError):
        passwords.weakness(dear.replace("m=8192", "m=9999999"))


def test_files_take_precedence_over_the_environment(tmp_path: Path) -> None:
    folder = tmp_path / "auth"
    write(folder, values(USER_LIST="BOB"))
    auth = Authenticator({**values(), source.FOLDER_VARIABLE: str(folder)})
    assert set(auth.config().users) == {"bob"}
    with pytest.raises(ConfigurationError, match="is not a folder"):
        Authenticator({**values(), source.FOLDER_VARIABLE: str(tmp_path / "nowhere")})


def test_a_removed_user_is_refused_within_two_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "auth"
    write(folder, values())
    service = build({source.FOLDER_VARIABLE: str(folder)})
    headers = service.bearer("bob")
    assert call(service, headers) == 200
    write(folder, values(USER_LIST="ALICE"))
    service.clock.now += 1.0
    assert call(service, headers) == 401
    assert run(service.login("bob", PASSWORDS["bob"])).status_code == 401
    write(folder, values())
    service.clock.now += 1.0
    assert call(service, headers) == 200
    service.guard.close()


def test_a_secret_mounted_by_kubelet_is_followed(tmp_path: Path) -> None:
    """kubelet keeps the files in a dated folder and swaps the link `..data`."""
    mount = tmp_path / "mount"
    mount.mkdir()

    def bring(version: str, users: str) -> None:
        write(mount / version, values(USER_LIST=users))
        (mount / "..data_tmp").symlink_to(version)
        (mount / "..data_tmp").rename(mount / "..data")

    bring("..1", "ALICE, BOB")
    for name in values():
        (mount / name).symlink_to(f"..data/{name}")
    service = build({source.FOLDER_VARIABLE: str(mount)})
    headers = service.bearer("bob")
    assert call(service, headers) == 200
    bring("..2", "ALICE")
    service.clock.now += 1.0
    assert call(service, headers) == 401
    service.guard.close()


def test_rotation_keeps_old_tokens_while_their_key_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "auth"
    write(folder, values(JWT_KEY=OLD_KEY))
    service = build({source.FOLDER_VARIABLE: str(folder)})
    old = service.bearer("bob")
    assert call(service, old) == 200
    write(folder, values(JWT_PREVIOUS_KEYS=OLD_KEY))
    service.clock.now += 1.0
    new = service.bearer("bob")
    assert new != old
    assert [call(service, old), call(service, new)] == [200, 200]
    write(folder, values())
    service.clock.now += 1.0
    assert [call(service, old), call(service, new)] == [401, 200]
    service.guard.close()


def test_a_bad_change_keeps_keys_and_still_removes_users(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "auth"
    write(folder, values())
    service = build({source.FOLDER_VARIABLE: str(folder)})
    alice, bob = service.bearer("alice"), service.bearer("bob")
    write(folder, values(JWT_KEY="short", USER_LIST="ALICE"))
    service.clock.now += 1.0
    with caplog.at_level(logging.ERROR):
        assert [call(service, alice), call(service, bob)] == [200, 401]
    assert "at least 32" in caplog.text
    service.guard.close()


def test_a_new_password_ends_the_old_tokens(tmp_path: Path) -> None:
    folder = tmp_path / "auth"
    write(folder, values())
    service = build({source.FOLDER_VARIABLE: str(folder)})
    headers = service.bearer("bob")
    write(folder, values(BOB_HASHED_PASSWORD=passwords.hash_password("a new password")))
    service.clock.now += 1.0
    assert call(service, headers) == 401
    service.guard.close()


def test_a_new_role_takes_effect_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "auth"
    write(folder, values())
    service = build({source.FOLDER_VARIABLE: str(folder)})
    headers = service.bearer("bob")
    write(folder, values(BOB_ROLE="closed", ROLES='{"closed": {"groups": []}}'))
    service.clock.now += 1.0
    assert call(service, headers) == 403
    service.guard.close()


def test_tokens_expire_unless_the_check_is_skipped_loudly(
    make: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    service = make()
    headers = service.bearer("bob")
    service.clock.now += 3590
    assert call(service, headers) == 200
    service.clock.now += 10 + LEEWAY_S
    assert call(service, headers) == 401
    with caplog.at_level(logging.WARNING):
        careless = make(values(SKIP_EXP_CHECK="true"))
        careless.clock.now = service.clock.now
        assert call(careless, headers) == 200
    assert caplog.text.count("EXPIRED TOKENS ARE ACCEPTED") == 1
    assert "expired tokens are being accepted" in caplog.text


def test_service_tokens_and_their_revocation(make: Callable[..., Service]) -> None:
    service = make()
    headers = service.service_bearer("open-webui", "user")
    assert call(service, headers) == 200
    by_name = make(values(REVOKED_SERVICE_TOKENS="other, open-webui"))
    assert call(by_name, headers) == 401
    token = headers["Authorization"][7:]
    token_id = jwt.decode(token, options={"verify_signature": False})["jti"]
    assert call(make(values(REVOKED_SERVICE_TOKENS=token_id)), headers) == 401
    assert call(make(values(REVOKED_SERVICE_TOKENS="x" + token_id)), headers) == 200
    assert call(service, service.service_bearer("open-webui", "no-such-role")) == 401
    # A service with a user's name is not that user, so the removal of the user does not affect it.
    assert call(service, service.service_bearer("nobody", "guest")) == 200
