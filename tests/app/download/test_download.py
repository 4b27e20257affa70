"""Downloads from a hub on 127.0.0.1 that behaves well or badly."""

import fcntl
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from app.download import client, transfer
from app.download.cache import ModelCache
from app.download.errors import DownloadError, MistakeError, WrongContentError
from app.download.hub import Repository
from app.download.patience import Patience
from app.download.progress import Progress
from app.download.remote import RemoteFile
from app.download.run import Into, Wanted, download
from sandbox.hub.repositories import COMMIT, SECOND_COMMIT, Behaviour
from tests.app.download import weights
from tests.app.download.weights import SOURCE, partial_of, same


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return weights.make(tmp_path / "model")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "home" / "hub"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    _, budget = Patience.__init__.__defaults__ or ()
    monkeypatch.setattr(Patience.__init__, "__defaults__", (pauses.append, budget))
    return pauses


def fetch_model(
    url: str,
    cache: Path,
    lines: list[str] | None = None,
    *,
    revision: str = COMMIT,
    token: str | None = None,
    verify: bool = False,
) -> Path:
    progress = Progress((lines if lines is not None else []).append)
    with client.create() as http:
        wanted = Wanted(Repository(url, SOURCE, revision, http, token))
        into = Into(cache, progress, Patience(progress), verify)
        folder = download(wanted, [], into)
    assert folder is not None
    return folder


def blob_of(snapshot: Path, name: str = "model.safetensors") -> Path:
    return (snapshot / name).resolve()


def test_the_library_opens_offline_what_was_downloaded(model: Path, cache: Path) -> None:
    from huggingface_hub import snapshot_download

    with weights.hub(model) as hub:
        folder = fetch_model(hub.url, cache)
    path = snapshot_download(SOURCE, revision=COMMIT, cache_dir=cache, local_files_only=True)
    assert Path(path) == folder


def test_a_second_run_neither_requests_nor_reads_anything(model: Path, cache: Path) -> None:
    lines: list[str] = []
    with weights.hub(model) as hub:
        fetch_model(hub.url, cache)
        hub.requests.clear()
        fetch_model(hub.url, cache, lines)
        assert hub.requests == []
    assert lines == ["already downloaded and verified; sizes and times are unchanged"]


def test_a_changed_file_is_detected_and_downloaded_again(model: Path, cache: Path) -> None:
    lines: list[str] = []
    with weights.hub(model) as hub:
        folder = fetch_model(hub.url, cache)
        with blob_of(folder).open("r+b") as stream:
            stream.seek(1000)
            stream.write(b"XXXX")
        fetch_model(hub.url, cache, lines)
    assert same(folder, model)
    assert any("differs from the hub's" in line for line in lines)


def test_files_of_another_program_are_verified_once(model: Path, cache: Path) -> None:
    from huggingface_hub import snapshot_download

    first: list[str] = []
    second: list[str] = []
    with weights.hub(model) as hub:
        snapshot_download(SOURCE, cache_dir=cache, endpoint=hub.url, token=False)
        hub.requests.clear()
        fetch_model(hub.url, cache, first)
        assert [r for r in hub.requests if "resolve" in r] == []
        fetch_model(hub.url, cache, second)
    assert "0 bytes to download" in first[0]
    assert second == ["already downloaded and verified; sizes and times are unchanged"]


def test_verify_detects_changes_that_size_and_time_do_not_show(model: Path, cache: Path) -> None:
    with weights.hub(model) as hub:
        folder = fetch_model(hub.url, cache)
        blob = blob_of(folder)
        before = blob.stat()
        blob.write_bytes(blob.read_bytes()[:-1] + b"?")
        os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns))
        fetch_model(hub.url, cache)
        assert not same(folder, model)
        fetch_model(hub.url, cache, verify=True)
    assert same(folder, model)


def test_a_commit_with_the_same_files_downloads_none(model: Path, cache: Path) -> None:
    with weights.hub(model, Behaviour(commits=(COMMIT, SECOND_COMMIT))) as hub:
        fetch_model(hub.url, cache)
        hub.requests.clear()
        second = fetch_model(hub.url, cache, revision=SECOND_COMMIT)
        assert [r for r in hub.requests if "resolve" in r] == []
    assert second.name == SECOND_COMMIT
    assert same(second, model)


def test_a_lost_connection_is_resumed_not_restarted(
    model: Path, cache: Path, no_pauses: list[float]
) -> None:
    with weights.hub(model, Behaviour(cut=100_000)) as hub:
        folder = fetch_model(hub.url, cache)
        asked = [r.split("bytes=")[1] for r in hub.requests if "/-/stored/" in r]
    assert same(folder, model)
    size = (model / "model.safetensors").stat().st_size
    assert asked == [f"{first}-{size - 1}" for first in range(0, size, 100_000)]
    assert no_pauses == [1.0] * (len(asked) - 1)


def test_large_files_need_several_requests(
    model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, no_pauses: list[float]
) -> None:
    monkeypatch.setattr(transfer, "SLICE", 128 * 1024)
    with weights.hub(model) as hub:
        folder = fetch_model(hub.url, cache)
        assert len([r for r in hub.requests if "/-/stored/" in r]) == 3
    assert same(folder, model)
    assert no_pauses == []


def test_without_ranges_the_transfer_restarts(model: Path, cache: Path) -> None:
    with weights.hub(model, Behaviour(ranges=False)) as hub:
        content = (model / "model.safetensors").read_bytes()
        partial_of(model, cache).write_bytes(content[:150_000])
        folder = fetch_model(hub.url, cache)
        assert len([r for r in hub.requests if "/-/stored/" in r]) == 1
    assert same(folder, model)


def test_a_partial_file_with_wrong_bytes_is_replaced(model: Path, cache: Path) -> None:
    lines: list[str] = []
    with weights.hub(model) as hub:
        partial_of(model, cache).write_bytes(b"x" * 5000)
        folder = fetch_model(hub.url, cache, lines)
    assert same(folder, model)
    assert any("resuming after 4.9 KiB" in line for line in lines)
    assert any("a different hash" in line for line in lines)


def test_a_wrong_download_is_retried_once(model: Path, cache: Path) -> None:
    with weights.hub(model, Behaviour(corrupt=1)) as hub:
        assert same(fetch_model(hub.url, cache), model)


def test_a_file_that_stays_wrong_is_named_and_removed(model: Path, cache: Path) -> None:
    with (
        weights.hub(model, Behaviour(corrupt=-1)) as hub,
        pytest.raises(
            WrongContentError, match=r"model\.safetensors .* a different hash .*endpoint"
        ),
    ):
        fetch_model(hub.url, cache)
    partial = partial_of(model, cache)
    assert not partial.exists()
    assert not partial.with_suffix("").exists()
    assert not ModelCache(cache, SOURCE, COMMIT).is_complete()


def test_a_busy_hub_is_retried_later(model: Path, cache: Path, no_pauses: list[float]) -> None:
    with weights.hub(model, Behaviour(busy=3)) as hub:
        assert same(fetch_model(hub.url, cache), model)
    assert no_pauses == [1.0, 2.0, 4.0]


def test_a_hub_that_stays_busy_ends_the_run(model: Path, cache: Path) -> None:
    with (
        weights.hub(model, Behaviour(busy=-1)) as hub,
        pytest.raises(DownloadError, match=r"503.*next run") as error,
    ):
        fetch_model(hub.url, cache)
    assert error.value.exit_code == 1


def test_an_unreachable_hub_is_retried_later(cache: Path, no_pauses: list[float]) -> None:
    lines: list[str] = []
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9: ConnectError") as error:
        fetch_model("http://127.0.0.1:9", cache, lines)
    assert error.value.exit_code == 1
    assert 1700 < sum(no_pauses) <= 1800
    assert "the listing of rayline/x: http://127.0.0.1:9: ConnectError" in lines[0]
    assert lines[0].endswith("; retrying in 1 s")


def test_too_little_space_is_reported_before_the_first_byte(
    model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**6, 10**6 - 1000, 1000))
    with weights.hub(model) as hub:
        with pytest.raises(MistakeError, match=r"1000 bytes free.*rayline:storage\.size"):
            fetch_model(hub.url, cache)
        assert [r for r in hub.requests if "resolve" in r] == []
        # Files that are already here need no space.
        partial_of(model, cache).write_bytes((model / "model.safetensors").read_bytes())
        assert same(fetch_model(hub.url, cache), model)


def test_a_download_works_on_a_file_system_without_locks(
    model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with weights.hub(model) as hub:
        assert same(fetch_model(hub.url, cache), model)


def test_abandoned_partial_files_are_removed(model: Path, cache: Path) -> None:
    folder = partial_of(model, cache).parent
    old, young = folder / "aa.incomplete", folder / "bb.incomplete"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    with weights.hub(model) as hub:
        fetch_model(hub.url, cache)
    assert not old.exists()
    assert young.exists()


def test_a_path_that_leaves_the_repository_is_refused(cache: Path) -> None:
    store = ModelCache(cache, SOURCE, COMMIT)
    for path in ("../../../escape.json", "/etc/escape.json"):
        with pytest.raises(MistakeError, match="not a path inside"):
            store.link(RemoteFile(path, 1, "0" * 40))
