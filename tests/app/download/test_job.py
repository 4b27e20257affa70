"""The command of the download Job as a process: its output, its exit status, and its end by a
signal.
"""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.hub.repositories import COMMIT, SECOND_COMMIT, TOKEN, Behaviour
from tests.app.download import weights
from tests.app.download.weights import SOURCE, partial_of, same


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return weights.make(tmp_path / "model")


def test_a_downloaded_model_has_its_files_where_the_engine_looks(
    model: Path, tmp_path: Path
) -> None:
    with weights.hub(model) as hub:
        done = weights.run(hub.url, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("ready: llama, 1 weight file of 293.0 KiB")
    folder = tmp_path / "home" / "hub" / "models--rayline--x" / "snapshots" / COMMIT
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert files == ["config.json", "empty.txt", "model.safetensors", "tokenizer.json"]
    assert same(folder, model)
    name = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    assert os.readlink(folder / "model.safetensors") == f"../../blobs/{name}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_download_is_resumed_by_the_next(
    model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    home = tmp_path / "home"
    partial = partial_of(model, home / "hub")
    with weights.hub(model, Behaviour(rate=200_000)) as hub:
        job = subprocess.Popen(
            weights.command("--source", SOURCE, "--revision", COMMIT),
            cwd=weights.ROOT,
            env=weights.environment(hub.url, home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: partial.exists() and partial.stat().st_size > 60_000)
        job.send_signal(number)
        _, output = job.communicate(timeout=10)
        arrived = partial.stat().st_size
        if number == signal.SIGTERM:
            assert job.returncode == 1
            assert output.startswith("error: stopped; the next run resumes here")
        hub.requests.clear()
        done = weights.run(hub.url, home)
        asked = [r for r in hub.requests if "/-/stored/" in r]
    assert done.returncode == 0, done.stderr
    assert len(asked) == 1
    assert f"bytes={arrived}-" in asked[0]
    assert "resuming after" in done.stdout


def wait_for(done: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_concurrent_jobs_download_once(model: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with weights.hub(model, Behaviour(rate=200_000)) as hub:
        jobs = [
            subprocess.Popen(
                weights.command("--source", SOURCE, "--revision", COMMIT),
                cwd=weights.ROOT,
                env=weights.environment(hub.url, home),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(2)
        ]
        output = [job.communicate(timeout=40)[0] for job in jobs]
        assert [job.returncode for job in jobs] == [0, 0], output
        assert len([r for r in hub.requests if "/-/stored/" in r]) == 1
    assert sum("another download of this model is running" in text for text in output) == 1


MISTAKES = [
    (Behaviour(), {"source": "rayline/y"}, "has no model rayline/y"),
    (Behaviour(), {"revision": SECOND_COMMIT}, f"has no commit {SECOND_COMMIT}"),
    (Behaviour(), {"revision": "main"}, "a commit of 40"),
    (Behaviour(), {"source": "nobody"}, "allowed: owner/name"),
    (Behaviour(access="private"), {}, "--secret rayline:hubToken"),
    (Behaviour(access="gated"), {}, "accept its terms at http"),
    (Behaviour(without=".safetensors"), {}, "vLLM"),
]


@pytest.mark.parametrize(("behaviour", "given", "output"), MISTAKES, ids=lambda v: str(v)[:24])
def test_a_mistake_states_what_to_change(
    model: Path, tmp_path: Path, behaviour: Behaviour, given: dict[str, str], output: str
) -> None:
    (model / "pytorch_model.bin").unlink()
    with weights.hub(model, behaviour) as hub:
        done = weights.run(hub.url, tmp_path / "home", **given)
    assert done.returncode == 2, done.stdout + done.stderr
    assert output in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("access", ["private", "gated"])
def test_the_token_of_a_file_opens_the_model_and_is_not_printed(
    model: Path, tmp_path: Path, access: str
) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    with weights.hub(model, Behaviour(access=access)) as hub:
        done = weights.run(hub.url, tmp_path / "home", "--token-file", str(token))
        assert done.returncode == 0, done.stderr
        token.write_text("hf_another")
        refused = weights.run(hub.url, tmp_path / "other", "--token-file", str(token))
    assert refused.returncode == 2
    assert "token is invalid" in refused.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert "hf_another" not in refused.stdout + refused.stderr


def test_an_absent_token_file_means_no_token(model: Path, tmp_path: Path) -> None:
    with weights.hub(model) as hub:
        done = weights.run(hub.url, tmp_path / "home", "--token-file", str(tmp_path / "none"))
    assert done.returncode == 0, done.stderr
