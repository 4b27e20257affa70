"""Pickles are downloaded and used only where the stack names them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.download.errors import MistakeError
from app.download.inspect import inspect
from app.download.pickles import LOADED, OTHERS, Allowed
from app.download.remote import RemoteFile
from app.download.selection import select
from sandbox.hub.repositories import SECOND_COMMIT, Behaviour
from sandbox.hub.server import Hub
from tests.app.download import weights
from tests.app.download.weights import SOURCE

EXTRA = "owner/extra"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Its weights are a pickle, beside which lies another."""
    folder = weights.make(tmp_path / "model", size=1000)
    (folder / "model.safetensors").unlink()
    (folder / "labels.pkl").write_bytes(b"pickle of labels")
    return folder


@contextmanager
def serving(model: Path) -> Iterator[Hub]:
    """Serves the folder as the model and as a further repository."""
    both = {SOURCE: Behaviour(), EXTRA: Behaviour(commits=(SECOND_COMMIT,))}
    with weights.serving(Hub(model, repositories=both)) as server:
        yield server


@pytest.fixture
def hub(model: Path) -> Iterator[Hub]:
    with serving(model) as server:
        yield server


def kept(*paths: str, allowed: tuple[str, ...] = ()) -> set[str]:
    files = [RemoteFile(path, 10, "0" * 40) for path in paths]
    found = select(files, "owner/name", allowed=Allowed(allowed))
    return {file.path for file in (*found.described, *found.weights)}


def test_weights_in_a_pickle_are_refused_before_a_byte(hub: Hub, tmp_path: Path) -> None:
    done = weights.run(hub.url, tmp_path / "home")
    assert done.returncode == 2
    assert "has weights in pickles" in done.stderr
    assert 'allow them in the model\'s `allowPickle`: ["pytorch_model.bin"]' in done.stderr
    assert not any("resolve" in request for request in hub.requests)


def test_what_the_message_says_helps(hub: Hub, tmp_path: Path) -> None:
    done = weights.run(hub.url, tmp_path / "home", "--allow-pickle", "pytorch_model.bin")
    assert done.returncode == 0, done.stderr
    assert "ready: llama, 1 weight file" in done.stdout


def test_what_was_downloaded_before_is_refused_too(hub: Hub, tmp_path: Path) -> None:
    """The volume of somebody who used an earlier version, whose record has no mark."""
    home = tmp_path / "home"
    allowed = weights.run(hub.url, home, "--allow-pickle", "*.bin")
    assert allowed.returncode == 0, allowed.stderr
    (record,) = home.rglob("*.pickle-*")
    record.rename(record.with_name(record.name.replace(Allowed(("*.bin",)).mark, "")))
    hub.requests.clear()
    done = weights.run(hub.url, home)
    assert done.returncode == 2
    assert "has weights in pickles" in done.stderr
    assert hub.requests == []


def test_a_pattern_that_is_added_later_is_downloaded_later(hub: Hub, tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = weights.run(hub.url, home, "--allow-pickle", "*.bin")
    assert first.returncode == 0, first.stderr
    assert not any("labels.pkl" in request for request in hub.requests)
    hub.requests.clear()
    more = weights.run(hub.url, home, "--allow-pickle", "*.bin", "--allow-pickle", "labels.pkl")
    assert more.returncode == 0, more.stderr
    assert any("labels.pkl" in request for request in hub.requests)
    assert not any("pytorch_model.bin" in request for request in hub.requests)


def test_a_further_repository_is_no_way_around(model: Path, tmp_path: Path) -> None:
    (model / "adapter_model.bin").write_bytes(b"pickle of an adapter")
    also = ("--also", f"adapter:{EXTRA}@{SECOND_COMMIT}")
    with serving(model) as hub:
        done = weights.run(hub.url, tmp_path, "--allow-pickle", "pytorch_model.bin", *also)
    assert done.returncode == 2
    assert f"{EXTRA} has weights in pickles" in done.stderr
    assert "adapter_model.bin" in done.stderr


def test_a_folder_of_the_claim_is_no_way_around(model: Path) -> None:
    with pytest.raises(MistakeError, match="has weights in pickles"):
        inspect(model)
    assert inspect(model, pickles=Allowed(("*.bin",))).weights == 1
    # Beside safetensors, vLLM does not read them.
    (model / "model.safetensors").write_bytes(weights.safetensors(10))
    assert inspect(model).weights == 1


@pytest.mark.parametrize("suffix", sorted(OTHERS))
def test_pickles_that_vllm_does_not_load_are_left_out_unless_named(suffix: str) -> None:
    files = ("config.json", "model.safetensors", f"tools/x{suffix}", f"y{suffix.upper()}")
    assert kept(*files) == {"config.json", "model.safetensors"}
    assert f"tools/x{suffix}" in kept(*files, allowed=(f"x{suffix}",))
    assert f"tools/x{suffix}" in kept(*files, allowed=("tools/*",))


@pytest.mark.parametrize("suffix", sorted(LOADED | OTHERS))
def test_every_suffix_is_refused_and_can_be_allowed(suffix: str) -> None:
    path = f"folder/File{suffix.upper()}"
    with pytest.raises(MistakeError, match="has weights in pickles"):
        Allowed(("*.other", "folder")).require([path], "owner/name")
    for pattern in (path, f"File{suffix.upper()}", "folder/*", "*"):
        Allowed((pattern,)).require([path], "owner/name")


def test_the_advice_names_one_file_or_a_pattern() -> None:
    for paths, pattern in ((["a.pt"], '["a.pt"]'), (["a.bin", "b.bin"], '["*.bin"]')):
        with pytest.raises(MistakeError) as error:
            Allowed().require(paths, "owner/name")
        assert pattern in str(error.value)


def test_code_that_a_further_repository_names_is_pinned_too(model: Path, tmp_path: Path) -> None:
    """A tokenizer may bring code along; offline replicas would fail to find it."""
    code = {"auto_map": {"AutoTokenizer": [f"{SOURCE}--t.T", None]}}
    (model / "tokenizer_config.json").write_text(json.dumps(code))
    also = ("--allow-pickle", "*.bin", "--also", f"files:{EXTRA}@{SECOND_COMMIT}")
    with serving(model) as hub:
        done = weights.run(hub.url, tmp_path / "a", *also)
        assert done.returncode == 0, done.stderr
        done = weights.run(hub.url, tmp_path / "b", *also, "--trust-remote-code")
    assert done.returncode == 2
    assert f"{EXTRA} needs a second repository, {SOURCE}: tokenizer_config.json" in done.stderr
