"""`rayline facts`: sizes of a model, from the sandbox's hub or the cache, in a stack file."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import constants

from cli import check, facts
from sandbox.hub.repositories import COMMIT, REPOSITORIES, TOKEN
from sandbox.hub.server import Hub
from tests.stacks import ROOT, values

CONFIG = {
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 5120,
    "torch_dtype": "bfloat16",
}
INDEX = "model.safetensors.index.json"
GIB = 1024**3
Serve = Callable[..., Hub]
Write = Callable[..., Path]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a hub whose repositories contain files of these contents, named by keyword."""
    running: list[tuple[Hub, threading.Thread]] = []

    def start(config: Any = CONFIG, **files: Any) -> Hub:
        folder = tmp_path / "model"
        folder.mkdir()
        given = {} if config is None else {"config.json": config}
        for name, content in {**given, **{_name(k): v for k, v in files.items()}}.items():
            text = content if isinstance(content, bytes) else json.dumps(content).encode()
            (folder / name).write_bytes(text)
        hub = Hub(folder, repositories=REPOSITORIES)
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((hub, thread))
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        return hub

    yield start
    for hub, thread in running:
        hub.shutdown()
        thread.join()
        hub.server_close()


def _name(keyword: str) -> str:
    return {"index": INDEX}.get(keyword, keyword if "." in keyword else keyword.replace("_", "."))


@pytest.fixture(autouse=True)
def _no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    monkeypatch.chdir(folder)
    return folder


STACK = """\
# A comment at the top.
config:
  rayline:models:
    - name: one # the first
      source: rayline/tiny
      revision: "%s"   # pinned
      gpuGroup: big
      env:
        A: "1"
      # About the context.
      maxModelLen: 4096
      # Nothing follows.
  rayline:cluster: {context: a}
"""


def write(project: Path, text: str = STACK, name: str = "dev") -> Path:
    path = project / f"Pulumi.{name}.yaml"
    path.write_text(text % COMMIT if "%s" in text else text)
    return path


def entry(path: Path) -> dict[str, Any]:
    model: dict[str, Any] = yaml.safe_load(path.read_text())["config"]["rayline:models"][0]
    return model


def test_both_values_are_written_and_nothing_else_changes(
    serve: Serve, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = serve(model_safetensors=b"w" * (GIB // 64))
    path = write(project)
    before = path.read_text()
    assert facts.main(["one"]) == 0
    assert path.read_text() == before.replace(
        "maxModelLen: 4096\n",
        "maxModelLen: 4096\n      weightsGib: 0.02\n      kvKibPerToken: 160\n",
    )
    assert (
        f"Pulumi.dev.yaml, models[0] (one): weightsGib 0.02, kvKibPerToken 160 (from {hub.url})"
        in (capsys.readouterr().out)
    )
    assert not [request for request in hub.requests if "model.safetensors" in request]


def test_with_the_values_the_check_needs_neither_cache_nor_hub(
    serve: Serve, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(index={"metadata": {"total_size": 30 * GIB}})
    changes = {
        f"models__0__{key}": value
        for key, value in {"source": "rayline/tiny", "revision": COMMIT}.items()
    }
    whole = values(**changes, models__0__weightsGib=None, models__0__kvKibPerToken=None)
    path = project / "Pulumi.dev.yaml"
    path.write_text(yaml.safe_dump({"config": {f"rayline:{k}": v for k, v in whole.items()}}))
    assert check.main([]) == 0
    assert "rayline facts one" in capsys.readouterr().out
    assert facts.main(["rayline/tiny", "-s", "dev"]) == 0
    assert check.main([]) == 1
    assert "30.0 GiB of weights" in capsys.readouterr().out


def test_values_that_are_there_are_replaced_in_their_place(serve: Serve, project: Path) -> None:
    serve(model_safetensors=b"w" * 1000)
    text = STACK.replace("maxModelLen: 4096", "weightsGib: 13.3 # once\n      maxModelLen: 4096")
    path = write(project, text)
    assert facts.main(["one", "-s", str(path)]) == 0
    assert "      weightsGib: 0.01 # once\n" in path.read_text()
    assert entry(path)["kvKibPerToken"] == 160


@pytest.mark.parametrize(
    "text",
    [
        'config: {"rayline:models": [{name: one, source: rayline/tiny, revision: "%s", '
        "gpuGroup: a}]}",
        "config:\n  models:\n  - name: one\n    source: rayline/tiny\n    gpuGroup: a\n"
        '    revision: "%s"',
        "config:\r\n  rayline:models:\r\n  - name: one\r\n    gpuGroup: a\r\n"
        '    source: rayline/tiny\r\n    revision: "%s"\r\n',
        "\ufeffconfig:\n  rayline:models:\n  - {name: one, gpuGroup: a, source: rayline/tiny,\n"
        '    revision: "%s",} # all\n',
    ],
    ids=["flow", "no newline at the end", "CRLF", "byte order mark"],
)
def test_every_way_to_write_a_model_is_edited(serve: Serve, project: Path, text: str) -> None:
    serve(model_safetensors=b"w")
    path = project / "Pulumi.dev.yaml"
    path.write_bytes((text % COMMIT).encode())
    assert facts.main(["one"]) == 0
    config = yaml.safe_load(path.read_bytes())["config"]
    (model,) = config.get("rayline:models") or config["models"]
    assert (model["weightsGib"], model["kvKibPerToken"]) == (0.01, 160)


def test_what_cannot_be_edited_stays_and_the_commands_are_printed(
    serve: Serve, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second model inherits from the first, so an edit of the first would change both."""
    serve(model_safetensors=b"w")
    text = (
        "config:\n  rayline:models:\n    - &a {name: one, source: rayline/tiny, gpuGroup: a, "
        'revision: "%s"}\n    - {<<: *a, name: two, source: rayline/other}\n'
    )
    path = write(project, text)
    before = path.read_bytes()
    assert facts.main(["one"]) == 1
    assert path.read_bytes() == before
    shown = capsys.readouterr().err
    assert "Type: pulumi config set --path 'rayline:models[0].weightsGib' 0.01, then: " in shown
    assert "pulumi config set --path 'rayline:models[0].kvKibPerToken' 160" in shown
    assert list(project.glob(".*")) == []


def test_a_dry_run_only_prints(
    serve: Serve, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(model_safetensors=b"w")
    path = write(project)
    before = path.read_bytes()
    assert facts.main(["one", "--dry-run"]) == 0
    assert path.read_bytes() == before
    assert capsys.readouterr().out.splitlines() == [
        "pulumi config set --path 'rayline:models[0].weightsGib' 0.01",
        "pulumi config set --path 'rayline:models[0].kvKibPerToken' 160",
    ]


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


def test_a_model_that_no_stack_has_is_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project)
    assert facts.main(["two"]) == 2
    assert "no model 'two' in Pulumi.dev.yaml; models: one. Type: rayline facts one" in (
        capsys.readouterr().err
    )
    assert facts.main(["one", "-s", "prod"]) == 2
    assert "'prod' is no stack of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STACK.replace("revision:", "# revision:"), "it has no revision"),
        (STACK.replace("rayline/tiny", "/data/model-cache/a"), "a folder of the cluster's claim"),
        (STACK.replace("gpuGroup: big", "gpuGroup: []"), "Type: rayline check -s"),
        ("config: [", "Pulumi.dev.yaml: "),
        ("config: {rayline:models: text}", "models: none"),
    ],
)
def test_a_stack_without_what_is_needed(
    project: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, text)
    assert facts.main(["one"]) in (1, 2)
    assert message in capsys.readouterr().err
