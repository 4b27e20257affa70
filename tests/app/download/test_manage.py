"""Listing and removing weights: what another commit uses stays, and nothing else is touched."""

import fcntl
from pathlib import Path

import pytest

from app.download import manage
from sandbox.hub.repositories import COMMIT, SECOND_COMMIT, Behaviour
from tests.app.download import weights
from tests.app.download.weights import SOURCE


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two commits, which share all files but one, and another repository."""
    model, home = weights.make(tmp_path / "model"), tmp_path / "home"
    with weights.hub(model, Behaviour(commits=(COMMIT, SECOND_COMMIT))) as hub:
        assert weights.run(hub.url, home).returncode == 0
    (model / "tokenizer.json").write_text('{"version": "2.0"}')
    with weights.hub(model, Behaviour(commits=(COMMIT, SECOND_COMMIT))) as hub:
        assert weights.run(hub.url, home, revision=SECOND_COMMIT).returncode == 0
    (home / "hub" / "models--other--x" / "snapshots" / COMMIT).mkdir(parents=True)
    monkeypatch.setenv("HF_HOME", str(home))
    return home


def test_a_list_shows_what_each_commit_alone_uses(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["list"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == f"0 bytes  other/x@{COMMIT}"
    assert f"18 bytes  {SOURCE}@{COMMIT}" in lines
    assert lines[-1].endswith("free")


def test_a_removed_commit_leaves_the_other_whole(home: Path, tmp_path: Path) -> None:
    folder = home / "hub" / "models--rayline--x"
    before = {path.name for path in (folder / "blobs").iterdir()}
    assert manage.main(["remove", f"{SOURCE}@{COMMIT}", "--yes"]) == 0
    after = {path.name for path in (folder / "blobs").iterdir()}
    assert len(before - after) == 1
    assert not (folder / "snapshots" / COMMIT).exists()
    with weights.hub(tmp_path / "model", Behaviour(commits=(SECOND_COMMIT,))) as hub:
        done = weights.run(hub.url, home, revision=SECOND_COMMIT)
        assert hub.requests == []
    assert done.returncode == 0, done.stderr
    assert "already downloaded and verified" in done.stdout


def test_a_removed_commit_is_downloaded_again(home: Path, tmp_path: Path) -> None:
    manage.main(["remove", f"{SOURCE}@{COMMIT}", "--yes"])
    (tmp_path / "model" / "tokenizer.json").write_text('{"version": "1.0"}')
    with weights.hub(tmp_path / "model") as hub:
        done = weights.run(hub.url, home)
        assert [r for r in hub.requests if "resolve" in r and "tokenizer.json" in r]
        assert not any(".safetensors bytes" in r for r in hub.requests)
    assert done.returncode == 0, done.stderr


def test_a_whole_repository_is_removed_and_no_other(home: Path) -> None:
    assert manage.main(["remove", SOURCE, "--yes"]) == 0
    assert [path.name for path in (home / "hub").iterdir()] == ["models--other--x"]


def test_without_yes_nothing_changes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(str(path) for path in home.rglob("*"))
    assert manage.main(["remove", SOURCE]) == 0
    assert sorted(str(path) for path in home.rglob("*")) == before
    assert "add --yes" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["owner/absent", f"{SOURCE}@{'f' * 40}", "../x", f"{SOURCE}@.."])
def test_what_is_not_there_is_named(
    home: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    before = sorted(str(path) for path in home.rglob("*"))
    assert manage.main(["remove", SOURCE, what, "--yes"]) == 2
    assert what in capsys.readouterr().err
    assert sorted(str(path) for path in home.rglob("*")) == before


def test_nothing_is_removed_under_a_running_download(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (home / "hub" / "models--rayline--x" / ".rayline" / "lock").open("a") as stream:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
        assert manage.main(["remove", SOURCE, "--yes"]) == 1
    assert "a download of rayline/x is running" in capsys.readouterr().err
    assert (home / "hub" / "models--rayline--x" / "snapshots" / COMMIT).exists()
