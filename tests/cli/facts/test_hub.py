"""`rayline facts`: what it reads from the sandbox's hub or the cache, and what it says without."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import facts
from sandbox.hub.repositories import COMMIT, TOKEN
from tests.cli.facts import CONFIG, GIB, STACK, Serve, entry, write
from tests.stacks import ROOT


@pytest.mark.parametrize(
    ("files", "gib"),
    [
        ({"index": {"metadata": {"total_size": 5 * GIB}}, "model-1.safetensors": b"w"}, 5),
        ({"index": {}, "model_safetensors": b"w" * (GIB // 100)}, 0.01),
        ({"model_safetensors": b"w" * (GIB // 50), "pytorch-model.bin": b"w" * (GIB // 25)}, 0.02),
        ({"consolidated_safetensors": b"w" * (GIB // 25), "model_safetensors": b"w"}, 0.01),
        ({"consolidated_safetensors": b"w" * (GIB // 50)}, 0.02),
        (
            {"pytorch-model.bin": b"w" * (GIB // 50), "training_args.bin": b"w" * (GIB // 25)},
            0.02,
        ),
    ],
)
def test_the_weights_are_those_that_vllm_loads(
    serve: Serve, project: Path, files: dict[str, Any], gib: float
) -> None:
    serve(**files)
    path = write(project)
    assert facts.main(["one"]) == 0
    assert entry(path)["weightsGib"] == pytest.approx(gib, abs=0.01)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({**CONFIG, "kv_lora_rank": 512}, "its attention is unusual: multi-head latent attention"),
        ({**CONFIG, "sliding_window": 4096}, "sliding window attention"),
        ({"torch_dtype": "float16"}, "does not contain layers, heads and head size"),
    ],
)
def test_a_cache_that_cannot_be_computed_is_explained(
    serve: Serve, project: Path, config: Any, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(config, model_safetensors=b"w")
    path = write(project)
    assert facts.main(["one"]) == 1
    assert entry(path)["weightsGib"] == 0.01
    assert "kvKibPerToken" not in entry(path)
    shown = capsys.readouterr().err
    assert why in shown
    assert "pulumi config set --path 'rayline:models[0].kvKibPerToken' '<KiB per token>'" in shown


@pytest.mark.parametrize(
    ("source", "revision", "config", "text"),
    [
        ("rayline/tiny-gated", COMMIT, CONFIG, "is gated: accept its terms"),
        ("rayline/tiny-private", COMMIT, CONFIG, "or it is private and the token may not read it"),
        ("rayline/none", COMMIT, CONFIG, "has no model rayline/none"),
        ("rayline/tiny", "f" * 40, CONFIG, "has no commit ffff"),
        ("rayline/tiny", COMMIT, None, "has no config.json"),
        ("rayline/tiny", COMMIT, b"{", "config.json of rayline/tiny is not JSON"),
        ("rayline/tiny", COMMIT, [], "config.json of rayline/tiny is not a JSON object"),
        ("rayline/tiny-broken", COMMIT, CONFIG, "contains no weights that vLLM loads"),
    ],
)
def test_what_the_hub_refuses_is_said_with_what_to_do(
    serve: Serve,
    project: Path,
    source: str,
    revision: str,
    config: Any,
    text: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve(config, model_safetensors=b"w")
    whole = yaml.safe_load(STACK % revision)
    whole["config"]["rayline:models"][0]["source"] = source
    path = write(project, yaml.safe_dump(whole))
    before = path.read_bytes()
    assert facts.main(["one"]) == 1
    assert text in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize("source", ["rayline/tiny-gated", "rayline/tiny-private"])
def test_the_token_of_the_environment_gives_access(
    serve: Serve, project: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(model_safetensors=b"w")
    path = write(project, STACK.replace("rayline/tiny", source))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert facts.main(["one"]) == 0
    assert entry(path)["kvKibPerToken"] == 160


def test_an_unreachable_hub_is_no_traceback(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, STACK + "  rayline:hub: {endpoint: http://127.0.0.1:9}\n")
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert facts.main(["one"]) == 1
    assert "http://127.0.0.1:9 cannot be asked (ConnectError)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "text"), [(503, "it answered 503"), (403, "answered 403"), (200, "cannot be read")]
)
def test_a_server_that_is_no_hub_is_no_traceback(
    project: Path,
    status: int,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None: ...

    write(project)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        try:
            assert facts.main(["one"]) == 1
        finally:
            server.shutdown()
    assert text in capsys.readouterr().err


def test_offline_the_cache_is_enough_and_otherwise_said(project: Path, tmp_path: Path) -> None:
    """As a process of its own, because huggingface_hub reads HF_HUB_OFFLINE when it is imported."""
    path = write(project)
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "cli", "facts", "one", "-s", str(path)],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    refused = run()
    assert refused.returncode == 1
    assert "HF_HUB_OFFLINE is set" in refused.stderr
    snapshot = tmp_path / "home/hub/models--rayline--tiny/snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps(CONFIG))
    (snapshot / "model.safetensors").write_bytes(b"w" * 1000)
    done = run()
    assert done.returncode == 0, done.stderr
    assert f"(from {tmp_path / 'home/hub'})" in done.stdout
    assert entry(path)["kvKibPerToken"] == 160
