"""Small stand-ins for models, served by the sandbox's hub on 127.0.0.1."""

import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.download.cache import ModelCache
from sandbox.hub.repositories import COMMIT, Behaviour
from sandbox.hub.server import Hub

ROOT = Path(__file__).parents[3]
SOURCE = "rayline/x"


def safetensors(size: int, seed: int = 1) -> bytes:
    """A valid file with one tensor of `size` bytes, which do not repeat for a while."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    body = bytes((i * i * seed + i) % 251 for i in range(1021)) * (size // 1021 + 1)
    return struct.pack("<Q", len(header)) + header + body[:size]


def make(folder: Path, shards: int = 1, size: int = 300_000) -> Path:
    """A model of `shards` safetensors files, and files that a download omits."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')
    (folder / "empty.txt").write_text("")
    (folder / "README.md").write_text("# read me")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "original").mkdir(exist_ok=True)
    (folder / "original" / "consolidated.00.safetensors").write_bytes(safetensors(10))
    if shards == 1:
        (folder / "model.safetensors").write_bytes(safetensors(size))
    else:
        names = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
        for i, name in enumerate(names):
            (folder / name).write_bytes(safetensors(size, seed=i + 2))
        index = {"weight_map": {f"layer.{i}": name for i, name in enumerate(names)}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


@contextmanager
def hub(folder: Path, behaviour: Behaviour | None = None) -> Iterator[Hub]:
    """Serves `folder` as `SOURCE`."""
    with serving(Hub(folder, repositories={SOURCE: behaviour or Behaviour()})) as server:
        yield server


@contextmanager
def serving(server: Hub) -> Iterator[Hub]:
    """Serves until the end of the block."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def same(snapshot: Path, model: Path) -> bool:
    name = "model.safetensors"
    return (snapshot / name).read_bytes() == (model / name).read_bytes()


def partial_of(model: Path, cache: Path) -> Path:
    """The partial file of the weights, in a folder that exists."""
    name = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    store = ModelCache(cache, SOURCE, COMMIT)
    store.blobs.mkdir(parents=True, exist_ok=True)
    return store.blobs / f"{name}.incomplete"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app.download", *arguments]


def environment(endpoint: str, home: Path) -> dict[str, str]:
    """The environment of the Job, without any setting of this machine for a hub."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    return kept | {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "PYTHONUNBUFFERED": "1"}


def run(
    endpoint: str, home: Path, *arguments: str, source: str = SOURCE, revision: str = COMMIT
) -> "subprocess.CompletedProcess[str]":
    """Run the Job's command to its end."""
    return subprocess.run(
        command("--source", source, "--revision", revision, *arguments),
        cwd=ROOT,
        env=environment(endpoint, home),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
