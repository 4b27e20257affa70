"""The sandbox's model hub, used through huggingface_hub itself."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, errors, hf_hub_download, snapshot_download
from huggingface_hub.hf_api import RepoFile

from sandbox.hub.repositories import COMMIT, REPOSITORIES, SECOND_COMMIT, TOKEN
from sandbox.hub.server import Hub

CONTENT = {"config.json": b"{}", "model.safetensors": b"w" * 3_000_000, "sub/a b.txt": b"text"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("model")
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    with Hub(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_library_downloads_a_snapshot(hub: Hub, tmp_path: Path) -> None:
    """With the library itself rather than our transfer, because it defines the protocol."""
    folder = snapshot_download("rayline/tiny", cache_dir=tmp_path, endpoint=hub.url, token=False)
    assert Path(folder).name == COMMIT
    for name, content in CONTENT.items():
        assert (Path(folder) / name).read_bytes() == content


def test_a_model_is_described_as_the_hub_does(hub: Hub) -> None:
    api = HfApi(endpoint=hub.url, token=False)
    model = api.model_info("rayline/tiny", revision=SECOND_COMMIT, files_metadata=True)
    assert (model.id, model.sha, model.private) == ("rayline/tiny", SECOND_COMMIT, False)
    assert {s.rfilename: s.size for s in model.siblings or []} == {
        name: len(content) for name, content in CONTENT.items()
    }
    (entry,) = api.get_paths_info("rayline/tiny", ["model.safetensors"])
    assert isinstance(entry, RepoFile)
    assert entry.lfs
    assert entry.lfs.sha256 == hashlib.sha256(CONTENT["model.safetensors"]).hexdigest()


def test_the_same_files_are_served_at_another_commit_and_name(hub: Hub) -> None:
    api = HfApi(endpoint=hub.url, token=False)
    listed = [
        {
            f.path: getattr(f, "blob_id", None)
            for f in api.list_repo_tree(name, revision=commit, recursive=True)
        }
        for name in ("rayline/tiny", "rayline/tiny-b")
        for commit in REPOSITORIES[name].commits
    ]
    assert len(listed) == 3
    assert listed[0] == listed[1] == listed[2]


@pytest.mark.parametrize(
    ("name", "revision", "file", "expected"),
    [
        ("rayline/none", None, "config.json", errors.RepositoryNotFoundError),
        ("rayline/tiny-private", None, "config.json", errors.RepositoryNotFoundError),
        ("rayline/tiny-gated", None, "config.json", errors.GatedRepoError),
        ("rayline/tiny", "f" * 40, "config.json", errors.RevisionNotFoundError),
        ("rayline/tiny", None, "none.json", errors.EntryNotFoundError),
        ("rayline/tiny-broken", None, "model.safetensors", errors.EntryNotFoundError),
    ],
)
def test_refusals_are_those_of_the_hub(
    hub: Hub,
    tmp_path: Path,
    name: str,
    revision: str | None,
    file: str,
    expected: type[Exception],
) -> None:
    with pytest.raises(expected):
        hf_hub_download(
            name, file, revision=revision, endpoint=hub.url, token=False, cache_dir=tmp_path
        )


@pytest.mark.parametrize("name", ["rayline/tiny-private", "rayline/tiny-gated"])
def test_the_token_gives_access(hub: Hub, tmp_path: Path, name: str) -> None:
    path = hf_hub_download(name, "config.json", endpoint=hub.url, token=TOKEN, cache_dir=tmp_path)
    assert Path(path).read_bytes() == CONTENT["config.json"]
