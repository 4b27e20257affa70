"""`python -m app.users`: its output, the source of secrets, and its exit status."""

import io
from pathlib import Path

import pytest

from app import users
from app.auth import passwords, source, tokens
from app.auth.identity import Authenticator
from tests.app.conftest import KEY, salted_sha256, values, write


def test_hash_reads_the_password_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a good password\n"))
    assert users.main(["hash"]) == 0
    assert passwords.verify(capsys.readouterr().out.strip(), "a good password")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert users.main(["hash"]) == 2
    shown = capsys.readouterr()
    assert "8 to 1024" in shown.err
    assert "short" not in shown.err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "no password was given"),
        (io.StringIO(""), "the password has 0 bytes"),
        (io.StringIO("eight or more \udcff\n"), "the password is not text"),
        (
            io.TextIOWrapper(io.BytesIO(b"eight or more \xff\n"), "utf-8"),
            "the password is not text",
        ),
    ],
)
def test_input_that_holds_no_password_is_refused(
    given: object,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", given)
    assert users.main(["hash"], {}) == 2
    assert message in capsys.readouterr().err


def test_the_end_of_input_in_place_of_a_password_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def end(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", end)
    assert users.main(["hash"], {}) == 2
    assert "no password was given" in capsys.readouterr().err


def test_key_is_accepted_as_jwt_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert users.main(["key"]) == 0
    Authenticator(values(JWT_KEY=capsys.readouterr().out.strip()))


def test_service_token_is_valid_and_can_be_revoked_as_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "auth", values())
    command = ["service-token", "--name", "open-webui", "--role", "user", "--days", "30"]
    assert users.main([*command, "--auth-config", str(tmp_path / "auth")], {}) == 0
    shown = capsys.readouterr()
    auth = Authenticator(values())
    assert auth.identify(b"Bearer " + shown.out.strip().encode()).key == "service:open-webui"
    token_id = shown.err.split()[1].rstrip(",")
    revoked = Authenticator(values(REVOKED_SERVICE_TOKENS=token_id))
    with pytest.raises(tokens.TokenError, match="revoked"):
        revoked.identify(b"Bearer " + shown.out.strip().encode())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "a", "--role", "emperor"], "allowed: admin, user, guest"),
        (["--name", "a b", "--role", "user"], "letters, digits"),
        (["--name", "a", "--role", "user", "--days", "0"], "1 to 3650"),
        (["--name", "a", "--role", "user", "--auth-config", "/nowhere"], "is not a folder"),
    ],
)
def test_mistakes_of_service_token_are_reported(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert users.main(["service-token", *arguments], values()) == 2
    assert message in capsys.readouterr().err


def test_check_reports_warnings_and_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "auth"
    environ = {source.FOLDER_VARIABLE: str(folder)}
    write(folder, values())
    assert users.main(["check"], environ) == 0
    write(folder, values(BOB_HASHED_PASSWORD=salted_sha256("x"), SKIP_EXP_CHECK="true"))
    assert users.main(["check"], environ) == 1
    shown = capsys.readouterr().out
    assert "user 'bob': salted SHA-256" in shown
    assert "EXPIRED TOKENS" in shown
    assert KEY not in shown
    write(folder, values(JWT_KEY="short"))
    assert users.main(["check"], environ) == 2
