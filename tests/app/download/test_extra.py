"""Second repositories: those that are asked for, and those that a model's own files name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.download.errors import MistakeError
from app.download.references import require_known
from sandbox.hub.repositories import COMMIT, SECOND_COMMIT, Behaviour
from sandbox.hub.server import Hub
from tests.app.download import weights
from tests.app.download.weights import SOURCE

EXTRA = "owner/extra"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    model = weights.make(tmp_path / "model", size=2000)
    (model / "adapter_config.json").write_text("{}")
    (model / "adapter_model.safetensors").write_bytes(weights.safetensors(10))
    both = {SOURCE: Behaviour(), EXTRA: Behaviour(commits=(SECOND_COMMIT,))}
    with weights.serving(Hub(model, repositories=both)) as server:
        yield server


def configure(hub: Hub, **content: Any) -> None:
    """The model's config.json, which both repositories serve."""
    path = hub.files(SOURCE)["config.json"].location
    path.write_text(json.dumps({"model_type": "llama", **content}))


def test_extra_sources_are_complete_before_the_job_is(hub: Hub, tmp_path: Path) -> None:
    also = f"files:{EXTRA}@{SECOND_COMMIT}"
    done = weights.run(hub.url, tmp_path / "home", "--also", also)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "home" / "hub" / "models--owner--extra"
    found = {p.name for p in (folder / "snapshots" / SECOND_COMMIT).iterdir()}
    assert "tokenizer.json" in found
    assert not any(name.endswith(".safetensors") for name in found)
    assert (folder / "refs" / "main").read_text() == SECOND_COMMIT
    assert not (tmp_path / "home" / "hub" / "models--rayline--x" / "refs").exists()


def test_a_name_without_a_commit_stands_for_the_pinned_one(hub: Hub, tmp_path: Path) -> None:
    from huggingface_hub import snapshot_download

    weights.run(hub.url, tmp_path / "home", "--also", f"files:{EXTRA}@{SECOND_COMMIT}")
    cache = tmp_path / "home" / "hub"
    found = snapshot_download(EXTRA, cache_dir=cache, local_files_only=True)
    assert Path(found).name == SECOND_COMMIT


def test_a_tokenizer_first_and_the_model_later_is_a_whole_model(hub: Hub, tmp_path: Path) -> None:
    """The record of the first download must not make the second one look complete."""
    home = tmp_path / "home"
    done = weights.run(hub.url, home, "--also", f"files:{EXTRA}@{SECOND_COMMIT}")
    assert done.returncode == 0, done.stderr
    done = weights.run(hub.url, home, source=EXTRA, revision=SECOND_COMMIT)
    assert done.returncode == 0, done.stderr
    assert "1 weight file of" in done.stdout


@pytest.mark.parametrize(
    ("purpose", "weights_in_it"),
    [
        ("model", {"model.safetensors"}),
        ("adapter", {"adapter_model.safetensors"}),
        ("files", set()),
    ],
)
def test_a_purpose_decides_about_weights(
    hub: Hub, tmp_path: Path, purpose: str, weights_in_it: set[str]
) -> None:
    done = weights.run(hub.url, tmp_path, "--also", f"{purpose}:{EXTRA}@{SECOND_COMMIT}")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "hub" / "models--owner--extra" / "snapshots" / SECOND_COMMIT
    assert {p.name for p in folder.glob("*.safetensors")} == weights_in_it


@pytest.mark.parametrize(
    ("also", "message"),
    [
        (f"files:{EXTRA}@main", "--also is 'main'; allowed: a commit"),
        (f"files:owner/absent@{COMMIT}", "has no model owner/absent"),
        (f"files:{EXTRA}@{COMMIT}", f"owner/extra has no commit {COMMIT}"),
        (f"files:../x@{COMMIT}", "allowed: owner/name"),
        (f"{EXTRA}@{COMMIT}", "model, adapter or files"),
    ],
)
def test_a_wrong_extra_source_costs_nothing(
    hub: Hub, tmp_path: Path, also: str, message: str
) -> None:
    done = weights.run(hub.url, tmp_path / "home", "--also", also)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert not any("resolve" in request for request in hub.requests)


def test_code_of_another_repository_is_refused_before_the_weights(hub: Hub, tmp_path: Path) -> None:
    configure(hub, auto_map={"AutoModel": f"{EXTRA}--modeling.Model"})
    home = tmp_path / "home"
    done = weights.run(hub.url, home)
    assert done.returncode == 0, done.stderr  # vLLM's own implementation is used
    done = weights.run(hub.url, home, "--trust-remote-code")
    assert done.returncode == 2
    assert f"needs a second repository, {EXTRA}: config.json names it as code" in done.stderr
    assert f"extraSources`: - {{source: {EXTRA}, revision: <commit>}}" in done.stderr
    hub.requests.clear()
    done = weights.run(hub.url, tmp_path / "other", "--trust-remote-code")
    assert done.returncode == 2
    assert not any("safetensors" in request for request in hub.requests)
    also = f"files:{EXTRA}@{SECOND_COMMIT}"
    done = weights.run(hub.url, home, "--trust-remote-code", "--also", also)
    assert done.returncode == 0, done.stderr


CODE = {"AutoConfig": "owner/extra--configuration.Config", "AutoModel": "modeling.Own"}


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("config.json", {"auto_map": CODE}, r"code \(auto_map\)"),
        ("config.json", {"vision_config": {"auto_map": CODE}}, r"code \(auto_map\)"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": [None, "owner/extra--t.T"]}}, "c"),
        ("processor_config.json", {"auto_map": CODE}, "code"),
        ("preprocessor_config.json", {"auto_map": CODE}, "code"),
        ("config.json", {"audio_model_id": EXTRA}, r"a part of the model \(audio_model_id\)"),
        ("config.json", {"text_model_id": EXTRA}, r"a part of the model \(text_model_id\)"),
    ],
)
def test_repositories_that_the_files_name_are_known_or_refused(
    tmp_path: Path, file: str, content: dict[str, Any], why: str
) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(MistakeError, match=f"owner/extra: {file} names it as {why}"):
        require_known(tmp_path, SOURCE, set(), runs_code=True)
    require_known(tmp_path, SOURCE, {EXTRA}, runs_code=True)
    require_known(tmp_path, EXTRA, set(), runs_code=True)


@pytest.mark.parametrize(
    "content",
    [{}, {"auto_map": None}, {"auto_map": {"A": 1, "B": ["x.Y"]}}, {"audio_model_id": None}],
)
def test_files_that_name_nothing_else_are_accepted(tmp_path: Path, content: Any) -> None:
    (tmp_path / "config.json").write_text(json.dumps(content))
    (tmp_path / "tokenizer_config.json").write_text("no JSON")
    require_known(tmp_path, SOURCE, set(), runs_code=True)


def test_a_speculator_is_no_model_by_itself(tmp_path: Path) -> None:
    content = {"speculators_config": {"verifier": {"name_or_path": "owner/target"}}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(MistakeError, match=r"Set `source` to owner/target.*speculative_config"):
        require_known(tmp_path, SOURCE, set(), runs_code=False)


def test_a_folder_may_have_extra_sources(hub: Hub, tmp_path: Path) -> None:
    folder = weights.make(tmp_path / "mine", size=1000)
    command = ("--folder", str(folder), "--also", f"files:{EXTRA}@{SECOND_COMMIT}")
    import subprocess

    done = subprocess.run(
        weights.command(*command),
        cwd=weights.ROOT,
        env=weights.environment(hub.url, tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "home" / "hub" / "models--owner--extra" / "refs" / "main").exists()
