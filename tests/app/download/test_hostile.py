"""A mirror that lies can neither write nor delete outside its model's folder, nor hold the Job."""

import contextlib
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.download import client, hub
from app.download.cache import ModelCache
from app.download.errors import DownloadError, MistakeError
from app.download.hub import Repository
from app.download.patience import Patience
from app.download.progress import Progress
from app.download.remote import RemoteFile
from app.download.run import Into, Wanted, download
from sandbox.hub.repositories import COMMIT, Behaviour
from sandbox.hub.server import Handler, Hub
from tests.app.download import weights
from tests.app.download.weights import SOURCE


class Hostile(Hub):
    """Serves the listing that a test wrote, and any content for any path."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, repositories={SOURCE: Behaviour()})
        self.listing: list[Any] = []
        self.RequestHandlerClass = Lying
        self.headers: dict[str, str] = {}
        self.links: Iterator[str] = iter(())

    def entries(self, _repository: str) -> list[Any]:
        return self.listing


class Lying(Handler):
    server: Hostile

    def end_headers(self) -> None:
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        if link := next(self.server.links, None):
            self.send_header("Link", f'<{link}>; rel="next"')
        super().end_headers()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    model = weights.make(tmp_path_factory.mktemp("hostile") / "model", size=1000)
    with weights.serving(Hostile(model)) as server:
        assert isinstance(server, Hostile)
        yield server


@pytest.fixture(autouse=True)
def honest(mirror: Hostile) -> Iterator[None]:
    yield
    mirror.listing, mirror.headers, mirror.links = [], {}, iter(())


def entry(path: Any, size: Any = 2, blob: Any = None, **more: Any) -> dict[str, Any]:
    name = hashlib.sha1(b"blob 2\0{}", usedforsecurity=False).hexdigest() if blob is None else blob
    return {"type": "file", "path": path, "size": size, "oid": name, **more}


WEIGHTS = entry("model.safetensors", 1000, "0" * 64)


def fetch(mirror: Hostile, cache: Path) -> None:
    progress = Progress(lambda _line: None)
    with client.create() as http:
        wanted = Wanted(Repository(mirror.url, SOURCE, COMMIT, http))
        into = Into(cache, progress, Patience(progress, lambda _pause: None, 60))
        download(wanted, [], into)


LIES: dict[str, Any] = {
    "up": entry("../../escape.json"),
    "up inside": entry("a/../../../../escape.json"),
    "absolute": entry("/etc/escape.json"),
    "two slashes": entry("a//b.json"),
    "dot": entry("./config.json"),
    "backslash": entry("..\\escape.json"),
    "nul": entry("a\0b.json"),
    "newline": entry("a\nb.json"),
    "surrogate": entry("a\ud800.json"),
    "git": entry(".git/config"),
    "long": entry("x" * 300),
    "no text": entry(["config.json"]),
    "empty": entry(""),
    "blob is a path": entry("a.json", blob="../../../../escape"),
    "blob of another length": entry("a.json", blob="0" * 41),
    "blob in capitals": entry("a.json", blob="A" * 40),
    "blob is missing": {"type": "file", "path": "a.json", "size": 2},
    "blob ends with a newline": entry("a.json", blob="0" * 40 + "\n"),
    "LFS blob is a path": entry("a.json", lfs={"oid": "../../x", "size": 2}),
    "LFS blob is no SHA-256": entry("a.json", lfs={"oid": "0" * 40, "size": 2}),
    "negative": entry("a.json", -1),
    "absurd": entry("a.json", 10**30),
    "fraction": entry("a.json", 2.5),
    "true": entry("a.json", True),
    "text as size": entry("a.json", "2"),
    "a folder that is a file": [entry("a", 2), entry("a/b.json", 2)],
    "one blob of two sizes": [entry("a.json", 2), entry("b.json", 3)],
}


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_in_the_listing_is_refused_before_anything_is_requested(
    mirror: Hostile, tmp_path: Path, lie: str
) -> None:
    """A blob's name was used as a path: a mirror could make the Job delete a file."""
    told = LIES[lie]
    mirror.listing = [*(told if isinstance(told, list) else [told]), WEIGHTS]
    canary = tmp_path / "hub" / "models--other--model" / "blobs" / "canary"
    canary.parent.mkdir(parents=True)
    canary.write_text("canary")
    (tmp_path / "escape").write_text("canary")
    mirror.requests.clear()
    before = snapshot(tmp_path)
    with pytest.raises(MistakeError, match=r"the listing of rayline/x .*hub\.endpoint"):
        fetch(mirror, tmp_path / "hub")
    assert snapshot(tmp_path) == before
    assert not any("resolve" in request for request in mirror.requests)


PIECES = st.sampled_from(
    [
        *("..", ".", "", "a", "config.json", "model.safetensors", "model.safetensors.index.json"),
        *("blobs", "snapshots", ".rayline", "lock", "verified.json", "refs", "main", COMMIT, "\\"),
        *("\0", "~", "modules.json", "tokenizer_config.json", "x" * 201, "a\u202eb", "%2e%2e"),
    ]
)
PATHS = st.lists(PIECES, min_size=1, max_size=5).map("/".join)
TRUE = hashlib.sha1(b"blob 2\0{}", usedforsecurity=False).hexdigest()
BLOBS = st.one_of(
    st.sampled_from([TRUE, "0" * 40, "f" * 64, "../" * 6 + "canary", "canary", "", "/etc/x", 7]),
    st.text(max_size=12),
)
SIZES = st.sampled_from([0, 1, 2, 3, 1000, -1, 10**18, 2.5, True, None, "2"])
ENTRIES = st.fixed_dictionaries(
    {"type": st.sampled_from(["file", "file", "file", "directory", None])},
    optional={
        "path": PATHS,
        "oid": BLOBS,
        "size": SIZES,
        "lfs": st.one_of(st.none(), st.fixed_dictionaries({"oid": BLOBS, "size": SIZES})),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(ENTRIES, st.none(), st.integers()), max_size=6))
def test_no_listing_changes_anything_outside_the_models_folder(
    mirror: Hostile, listing: list[Any]
) -> None:
    mirror.listing = [*listing, entry("model.safetensors", 2, TRUE)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "canary").write_text("canary")
        cache = root / "home" / "hub"
        other = cache / "models--other--model"
        for name in ("blobs", ".rayline", "snapshots"):
            (other / name).mkdir(parents=True)
            (other / name / "canary").write_text("canary")
        before = snapshot(root)
        with contextlib.suppress(DownloadError):
            fetch(mirror, cache)
        own = cache / "models--rayline--x"
        after = snapshot(root)
        mine = str(own.relative_to(root))
        assert {k: v for k, v in after.items() if not k.startswith(mine)} == before
        for link in own.rglob("*"):
            if link.is_symlink():
                assert (own / "blobs") in link.resolve().parents
                assert os.readlink(link).startswith("../")


def test_a_listing_without_end_is_given_up(
    mirror: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_PAGES", 20)
    mirror.listing = [WEIGHTS]
    mirror.links = (f"{mirror.url}/next?cursor={number}" for number in itertools.count())
    mirror.requests.clear()
    with pytest.raises(MistakeError, match="more than 100000 files or 20 pages"):
        fetch(mirror, tmp_path)
    assert len(mirror.requests) == 20


def test_the_next_page_is_asked_of_the_same_hub(mirror: Hostile, tmp_path: Path) -> None:
    """A mirror may repeat the Hub's own address; the token must not follow it."""
    mirror.listing = [WEIGHTS]
    mirror.links = iter(["https://elsewhere.invalid/api?cursor=2"])
    mirror.requests.clear()
    with client.create() as http:
        files = Repository(mirror.url, SOURCE, COMMIT, http, "hf_sandbox").files()
    assert [file.path for file in files] == ["model.safetensors"]
    assert len(mirror.requests) == 2


def test_a_page_without_end_is_given_up(
    mirror: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_PAGE", 10_000)
    mirror.listing = [entry(f"{number}.json") for number in range(1000)]
    with pytest.raises(MistakeError, match="a page of more than 10000 bytes"):
        fetch(mirror, tmp_path)


@pytest.mark.parametrize("listing", [{"error": "no"}, "text", None, [1]])
def test_an_answer_that_is_no_listing_is_named(
    mirror: Hostile, tmp_path: Path, listing: Any
) -> None:
    mirror.listing = listing
    with pytest.raises(MistakeError, match="answered no listing of rayline/x"):
        fetch(mirror, tmp_path)


def test_files_of_another_commit_are_refused(mirror: Hostile, tmp_path: Path) -> None:
    mirror.listing = [entry("config.json"), WEIGHTS]
    mirror.headers = {"X-Repo-Commit": "f" * 40}
    with pytest.raises(MistakeError, match="another commit of rayline/x"):
        fetch(mirror, tmp_path)


def test_a_body_without_end_is_cut_off_at_the_files_size(
    mirror: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(self: Lying, *_: Any) -> None:
        sent = 0
        try:
            while sent < 200 * 1024**2:
                sent += self.wfile.write(b"{}" * 32_768)
        except OSError:
            self.close_connection = True
        assert sent < 100 * 1024**2

    def start(self: Lying, *_: Any) -> None:
        self.send_response(200)
        self.end_headers()
        endless(self)
        self.close_connection = True

    monkeypatch.setattr(Lying, "_resolve", start)
    mirror.listing = [entry("config.json"), entry("model.safetensors", 2, TRUE)]
    fetch(mirror, tmp_path)
    assert (tmp_path / "models--rayline--x" / "blobs" / TRUE).read_bytes() == b"{}"


def test_the_cache_itself_accepts_no_other_name_for_a_blob(tmp_path: Path) -> None:
    store = ModelCache(tmp_path, SOURCE, COMMIT)
    for blob in ("../../x", "0" * 39, "", "0" * 40 + "\n"):
        with pytest.raises(MistakeError):
            store.blob(RemoteFile("a", 1, blob))
        with pytest.raises(MistakeError):
            store.partial(RemoteFile("a", 1, blob))


def test_a_name_of_a_repository_is_not_a_path(tmp_path: Path) -> None:
    for source in ("../x", "a/..", "a/b/c", "a--b/c", "a/b--c", "a/.b", "/a", "ä/b", "a/b\n"):
        done = weights.run("http://127.0.0.1:9", tmp_path, source=source)
        assert done.returncode == 2, source
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_small_file_of_a_mirror_is_not_trusted_to_be_json(
    mirror: Hostile, tmp_path: Path
) -> None:
    deep = ("[" * 100_000).encode()
    name = hashlib.sha1(b"blob %d\0" % len(deep) + deep, usedforsecurity=False).hexdigest()
    assert json.loads("[]") == []
    store = ModelCache(tmp_path, SOURCE, COMMIT)
    store.blobs.mkdir(parents=True)
    (store.blobs / name).write_bytes(deep)
    mirror.listing = [entry("config.json", len(deep), name), entry("model.safetensors", 2, TRUE)]
    (store.blobs / TRUE).write_bytes(b"{}")
    fetch(mirror, tmp_path)
