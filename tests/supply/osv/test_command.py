"""`rayline advisories`: what it prints, its exit codes, and downloads that fail."""

import http.server
import threading
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli import advisories
from supply import accepted, locked
from supply.osv import check, fetch
from tests.supply.osv.advisories import advisory, affected, archive, folder

TODAY = date.today()
NEW = {"modified": f"{TODAY}T00:00:00Z"}
PULUMI = next(p for p in locked.python_sets()["infra"] if p.name == "pulumi")
ETCD = next(
    p for p in locked.go_modules()["kubernetes"].packages if p.name == "go.etcd.io/etcd/server/v3"
)
CLEAN = advisory(
    "OLD-1",
    affected(ETCD.name, {"introduced": "0"}, {"fixed": "1.0.0"}),
    affected("pulumi", {"introduced": "0"}, {"fixed": "1.0"}, ecosystem="PyPI"),
    **NEW,
)
FLAW = advisory("GO-1", affected(ETCD.name, {"introduced": "0"}, {"fixed": "99.0.0"}), **NEW)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The databases of these tests are small; test_check.py tests the real limit."""
    original = check.Limits
    monkeypatch.setattr(check, "Limits", lambda **given: original(fewest=1, **given))


@pytest.fixture
def none_accepted(tmp_path: Path) -> str:
    path = tmp_path / "accepted.yaml"
    path.write_text("accepted: []\n")
    return str(path)


def run(*arguments: str) -> int:
    return advisories.main(["--go", "1.26.8", *arguments])


def test_a_clean_checkout(
    tmp_path: Path, none_accepted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(folder(tmp_path / "osv", CLEAN))
    assert run("--database", path, "--accepted", none_accepted) == 0
    out = capsys.readouterr().out
    assert "0 findings, 0 accepted; 0 reasons" in out
    assert "not looked up, because this checkout replaces it by a folder:" in out


def test_a_finding_is_printed_with_what_to_do(
    tmp_path: Path, none_accepted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(folder(tmp_path / "osv", CLEAN, FLAW))
    assert run("--database", path, "--accepted", none_accepted) == 1
    out = capsys.readouterr().out
    assert f"GO-1: {ETCD}" in out
    assert "fixed in: 99.0.0" in out
    assert "locked in: toolchain/sources/kubernetes/go.mod" in out
    assert "supply/accepted.yaml" in out


def test_an_accepted_finding_is_listed_on_demand_and_fails_when_it_expires(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(folder(tmp_path / "osv", CLEAN, FLAW))
    judged = tmp_path / "accepted.yaml"
    entry = (
        f"accepted:\n- package: {ETCD.name}\n  advisories: [GO-1]\n"
        "  reason: It is served on 127.0.0.1 alone.\n  expires: {}\n"
    )
    judged.write_text(entry.format(TODAY + timedelta(days=1)))
    assert run("--database", path, "--accepted", str(judged), "--verbose") == 0
    assert "It is served on 127.0.0.1 alone." in capsys.readouterr().out
    judged.write_text(entry.format(TODAY - timedelta(days=2)))
    assert run("--database", path, "--accepted", str(judged)) == 1
    assert f"acceptance expired on {TODAY - timedelta(days=2)}" in capsys.readouterr().out


def test_the_standard_library_of_go_is_looked_up(
    tmp_path: Path, none_accepted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flaw = affected("stdlib", {"introduced": "1.26.0-0"}, {"fixed": "1.26.9"})
    path = str(folder(tmp_path / "osv", CLEAN, advisory("GO-2", flaw, **NEW)))
    assert run("--database", path, "--accepted", none_accepted) == 1
    assert "GO-2: stdlib 1.26.8" in capsys.readouterr().out


def test_without_go_its_library_is_named_as_not_looked_up(
    tmp_path: Path,
    none_accepted: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = str(folder(tmp_path / "osv", CLEAN))
    assert advisories.main(["--database", path, "--accepted", none_accepted]) == 0
    assert "not looked up: Go's standard library and compiler" in capsys.readouterr().out


def test_no_database_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "nothing was checked" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accepted: [{package: a, advisories: [X]}]", "reason"),
        ("accepted: [{package: a, advisories: [X], reason: because, expires: 2026-12-01}]", "20"),
        (
            "accepted: [{package: a, advisories: [], reason: It is not reachable., "
            "expires: 2026-12-01}]",
            "advisories",
        ),
        (
            "accepted: [{package: a, advisories: [X], reason: It is not reachable., "
            "expires: 2999-01-01}]",
            "for a year at most",
        ),
        ("acepted: []", "acepted"),
        ("accepted: [", "accepted.yaml"),
    ],
)
def test_an_acceptance_without_reason_or_end_is_refused(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "accepted.yaml"
    path.write_text(text)
    assert run("--database", str(tmp_path), "--accepted", str(path)) == 2
    assert message in capsys.readouterr().err


def test_a_finding_is_accepted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = f"{{package: a, advisories: [X], reason: It is not reachable., expires: {TODAY}}}"
    path = tmp_path / "accepted.yaml"
    path.write_text(f"accepted: [{entry}, {entry}]")
    assert run("--database", str(tmp_path), "--accepted", str(path)) == 2
    assert "X of a is accepted twice" in capsys.readouterr().err


def test_the_file_of_the_checkout_is_in_its_form() -> None:
    content = accepted.read(accepted.FILE, date(2026, 11, 27))
    names = {p.name for packages in locked.python_sets().values() for p in packages}
    assert content.same_as.keys() <= names
    names |= {p.name for module in locked.go_modules().values() for p in module.packages}
    assert {each.package for each in content.accepted} <= names


# Downloads.

Answers = Mapping[str, bytes]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A mirror on 127.0.0.1 that has these files by path."""
    files: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/{{ecosystem}}/all.zip"
    monkeypatch.setenv(fetch.VARIABLE, address)
    yield files
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_fetched_export_is_compared(
    tmp_path: Path, none_accepted: str, served: dict[str, bytes]
) -> None:
    content = archive(tmp_path / "made.zip", CLEAN).read_bytes()
    served |= {"/Go/all.zip": content, "/PyPI/all.zip": content}
    assert run("--fetch", str(tmp_path / "osv"), "--accepted", none_accepted) == 0


@pytest.mark.parametrize("answer", [None, b"<html>blocked</html>", b"cut"], ids=str)
def test_an_export_that_is_not_whole_is_no_success(
    tmp_path: Path,
    served: dict[str, bytes],
    answer: bytes | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = archive(tmp_path / "made.zip", CLEAN).read_bytes()
    served["/Go/all.zip"] = whole
    if answer is not None:
        served["/PyPI/all.zip"] = whole[:-30] if answer == b"cut" else answer
    assert run("--fetch", str(tmp_path / "osv")) == 2
    assert "PyPI/all.zip could not be downloaded" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "osv").iterdir()] == ["Go.zip"]


def test_a_mirror_has_a_place_for_the_ecosystem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(fetch.VARIABLE, "https://mirror.example.com/all.zip")
    assert run("--fetch", str(tmp_path)) == 2
    assert "it must contain {ecosystem}" in capsys.readouterr().err
