"""Every file of the auth-config, damaged or gone, in an edit that also removes a user and revokes a
token: both are refused at once, and everybody else continues."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.auth import files, source
from app.auth.identity import Authenticator
from app.auth.tokens import TokenError
from app.errors import ConfigurationError
from tests.app.conftest import OLD_KEY, Service, build, values, write

CONTENT = {
    "JWT_PREVIOUS_KEYS": OLD_KEY,
    "ACCESS_TOKEN_EXPIRE_MINUTES": "30",
    "SKIP_EXP_CHECK": "false",
    "REVOKED_SERVICE_TOKENS": "some-program",
    "ROLES": '{"user": {"concurrent": 7}}',
}
EVERY_FILE = sorted(values(**CONTENT))
SECRET = "\u2620 never in a log"


def not_utf8(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\n\xff\xfe" + SECRET.encode())


def garbage(file: Path) -> None:
    file.write_bytes(b"\xff\x00\xfe" + SECRET.encode())


def utf16(file: Path) -> None:
    file.write_bytes(file.read_text().encode("utf-16"))


def gone(file: Path) -> None:
    file.unlink()


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def dangling(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


def loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def huge(file: Path) -> None:
    file.write_text(file.read_text() + "\n" + SECRET * (files.MAX_BYTES // len(SECRET)))


def unreadable(file: Path) -> None:
    file.chmod(0)


@pytest.fixture(autouse=True)
def _without_roots_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files without a permission cannot be opened, as by the service, which is not root."""
    real = os.open

    def opened(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).is_file() and not Path(path).stat().st_mode & 0o400:
            raise PermissionError
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", opened)


DAMAGES = [not_utf8, garbage, utf16, folder, dangling, loop, pipe, huge, unreadable]


@pytest.fixture
def mounted(tmp_path: Path) -> Service:
    path = tmp_path / "auth"
    write(path, values(**CONTENT))
    return build({source.FOLDER_VARIABLE: str(path), "GUARD_SHARED": "false"})


def edited(service: Service, tmp_path: Path, damage: Callable[[Path], None], name: str) -> None:
    """Remove bob with all of his files, revoke "open-webui", and damage one file."""
    left = values(**{**CONTENT, "REVOKED_SERVICE_TOKENS": "some-program open-webui"})
    left["USER_LIST"] = "ALICE, GINA"
    kept = {n: v for n, v in left.items() if not n.startswith("BOB_")}
    write(tmp_path / "auth", kept)
    if name.startswith("BOB_"):
        (tmp_path / "auth" / name).write_text(values()[name])
    damage(tmp_path / "auth" / name)
    service.clock.now += 1.0


def status(service: Service, headers: dict[str, str]) -> int:
    try:
        service.auth.identify(headers["Authorization"].encode())
    except TokenError:
        return 401
    return 200


@pytest.mark.parametrize("name", EVERY_FILE)
@pytest.mark.parametrize("damage", DAMAGES)
def test_removals_apply_and_the_others_continue(
    mounted: Service,
    tmp_path: Path,
    damage: Callable[[Path], None],
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    alice, bob, gina = (mounted.bearer(user) for user in ("alice", "bob", "gina"))
    revoked = mounted.service_bearer("open-webui", "user")
    earlier = mounted.service_bearer("some-program", "user")
    other = mounted.service_bearer("batch", "user")
    assert [status(mounted, h) for h in (bob, revoked, earlier)] == [200, 200, 401]
    edited(mounted, tmp_path, damage, name)
    with caplog.at_level(logging.WARNING):
        found = [status(mounted, h) for h in (alice, gina, other, bob, earlier)]
    assert found == [200, 200, 200, 401, 401]
    # What a whole list in a damaged form no longer shows cannot be revoked by it.
    lost = name == "REVOKED_SERVICE_TOKENS" and damage not in (not_utf8, utf16, huge)
    assert status(mounted, revoked) == (200 if lost else 401)
    config = mounted.auth.config()
    assert (len(config.keys), config.token_minutes, config.skip_exp_check) == (2, 30, False)
    assert config.roles["user"].concurrent == 7
    assert f"{name} " in caplog.text
    assert SECRET not in caplog.text
    for value in values(**CONTENT).values():
        assert len(value) < 20 or value not in caplog.text
    mounted.guard.close()


@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_file_that_is_gone_takes_away_and_never_gives(
    mounted: Service, tmp_path: Path, name: str
) -> None:
    alice, bob, gina = (mounted.bearer(user) for user in ("alice", "bob", "gina"))
    revoked, earlier = (
        mounted.service_bearer(program, "user") for program in ("open-webui", "some-program")
    )
    edited(mounted, tmp_path, gone, name)
    hers = 401 if name.startswith("ALICE_") else 200
    his = 401 if name.startswith("GINA_") else 200
    assert [status(mounted, h) for h in (alice, gina)] == [hers, his]
    assert [status(mounted, h) for h in (bob, earlier)] == [401, 401]
    assert status(mounted, revoked) == (200 if name == "REVOKED_SERVICE_TOKENS" else 401)
    config = mounted.auth.config()
    assert len(config.keys) == (1 if name == "JWT_PREVIOUS_KEYS" else 2)
    assert config.token_minutes == 30
    assert config.roles["user"].concurrent == 7
    mounted.guard.close()


@pytest.mark.parametrize("damage", [not_utf8, utf16, huge])
@pytest.mark.parametrize("name", ["USER_LIST", "REVOKED_SERVICE_TOKENS"])
def test_a_damaged_list_still_removes(
    mounted: Service, tmp_path: Path, damage: Callable[[Path], None], name: str
) -> None:
    """bob's files are still there: only the damaged list no longer names him."""
    bob, alice = mounted.bearer("bob"), mounted.bearer("alice")
    revoked = mounted.service_bearer("open-webui", "user")
    changes = {"USER_LIST": "ALICE, GINA", "REVOKED_SERVICE_TOKENS": "open-webui"}
    write(tmp_path / "auth", values(**{**CONTENT, **changes}))
    damage(tmp_path / "auth" / name)
    mounted.clock.now += 1.0
    assert [status(mounted, h) for h in (alice, bob, revoked)] == [200, 401, 401]
    mounted.guard.close()


@pytest.mark.parametrize("damage", [*DAMAGES, gone])
def test_a_repaired_file_is_taken_up_again(
    mounted: Service, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(tmp_path / "auth" / "USER_LIST")
    mounted.clock.now += 1.0
    mounted.auth.config()
    if (tmp_path / "auth" / "USER_LIST").is_dir():
        (tmp_path / "auth" / "USER_LIST").rmdir()
    write(tmp_path / "auth", values(USER_LIST="BOB"))
    mounted.clock.now += 1.0
    assert set(mounted.auth.config().users) == {"bob"}
    mounted.guard.close()


@pytest.mark.parametrize(
    "roles", ["[" * 100_000, '{"user": ' + "[" * 900 + "]" * 900 + "}", "9" * 5000, "\ufeff{}"]
)
def test_removals_apply_beside_roles_that_no_reader_survives(
    mounted: Service, tmp_path: Path, roles: str
) -> None:
    bob = mounted.bearer("bob")
    write(tmp_path / "auth", values(ROLES=roles, USER_LIST="ALICE"))
    mounted.clock.now += 1.0
    assert status(mounted, bob) == 401
    write(tmp_path / "auth", values(ACCESS_TOKEN_EXPIRE_MINUTES="9" * 5000, USER_LIST="BOB"))
    mounted.clock.now += 1.0
    assert status(mounted, bob) == 200
    mounted.guard.close()


def test_a_folder_that_is_gone_changes_nothing(
    mounted: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alice = mounted.bearer("alice")
    (tmp_path / "auth").rename(tmp_path / "away")
    mounted.clock.now += 1.0
    with caplog.at_level(logging.ERROR):
        assert status(mounted, alice) == 200
    assert "the folder cannot be read (FileNotFoundError)" in caplog.text
    mounted.guard.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_service_does_not_start_with_a_damaged_file(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    write(tmp_path / "auth", values(**CONTENT))
    damage(tmp_path / "auth" / "ROLES")
    with pytest.raises(ConfigurationError, match="ROLES ") as caught:
        Authenticator({source.FOLDER_VARIABLE: str(tmp_path / "auth")})
    assert SECRET not in str(caught.value)
