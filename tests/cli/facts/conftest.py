"""A hub, a project without a token, and an empty cache."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from sandbox.hub.repositories import REPOSITORIES
from sandbox.hub.server import Hub
from tests.cli.facts import CONFIG, Serve, file_name
from tests.stacks import ROOT


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a hub whose repositories contain files of these contents, named by keyword."""
    running: list[tuple[Hub, threading.Thread]] = []

    def start(config: Any = CONFIG, **files: Any) -> Hub:
        folder = tmp_path / "model"
        folder.mkdir()
        given = {} if config is None else {"config.json": config}
        for name, content in {**given, **{file_name(k): v for k, v in files.items()}}.items():
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
