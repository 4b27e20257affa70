"""When a running node is kept, and which port and network must be free before a new one starts."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import startup
from sandbox.images import stores
from sandbox.node import health, host, lifecycle
from sandbox.node.health import Row
from sandbox.settings import Settings
from toolchain.errors import UserError

TOOLS = {"etcd": Path("/cache/etcd")}


class Node:
    """Stands in for the node: its state, and the calls that would change it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.owner: dict[str, Any] | None = None
        self.health = "ok"
        self.listeners: list[str] = []
        self.routes: list[str] = []

    def record(self, name: str) -> Any:
        return lambda *_: self.calls.append(name)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node()
    monkeypatch.setattr(lifecycle, "SPEC", tmp_path / "spec.json")
    monkeypatch.setattr(lifecycle, "owner", lambda: made.owner)
    monkeypatch.setattr(lifecycle, "stop", made.record("stop"))
    monkeypatch.setattr(lifecycle, "start", made.record("start"))
    monkeypatch.setattr(lifecycle, "write_files", made.record("write"))
    monkeypatch.setattr(stores, "enforce", made.record("enforce"))
    monkeypatch.setattr(health, "is_running", lambda: made.owner is not None)
    monkeypatch.setattr(health, "rows", lambda _: [Row("etcd", made.health, 1, 0, 0, "")])
    monkeypatch.setattr(health, "listeners", lambda _: made.listeners)
    monkeypatch.setattr(host, "overlapping_routes", lambda _: made.routes)
    return made


def started(node: Node, settings: Settings) -> None:
    """Write the files that a start with `settings` writes."""
    node.owner = {"checkout": "here", "pid": 1}
    lifecycle.SPEC.write_text(json.dumps(lifecycle.spec(settings, TOOLS)))


def ensure(settings: Settings) -> None:
    startup.ensure(settings, TOOLS, "pause:1")


def test_a_node_starts_where_none_runs(node: Node) -> None:
    ensure(Settings())
    assert node.calls == ["stop", "enforce", "write", "start"]


def test_a_healthy_node_with_the_same_settings_keeps_running(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    started(node, Settings())
    ensure(Settings())
    assert node.calls == []
    assert "the sandbox is running" in capsys.readouterr().out


def test_changed_settings_restart_the_node(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    started(node, Settings())
    ensure(Settings(gpu_taint=True))
    assert node.calls == ["stop", "enforce", "write", "start"]
    assert "settings or binaries have changed; restarting" in capsys.readouterr().out


def test_an_unhealthy_node_restarts(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.health = "not running"
    started(node, Settings())
    ensure(Settings())
    assert "start" in node.calls
    assert "not healthy: etcd; restarting" in capsys.readouterr().out


def test_a_taken_port_is_refused_with_its_owner_and_the_next_port(node: Node) -> None:
    node.listeners = ["python3 (PID 7)"]
    with pytest.raises(UserError, match=r"needs port 5000, but python3 \(PID 7\)") as refused:
        ensure(Settings())
    assert refused.value.hint.endswith("make sandbox RAYLINE_REGISTRY_PORT=5001")
    assert "start" not in node.calls


def test_an_overlapping_route_is_refused_with_another_network(node: Node) -> None:
    node.routes = ["10.213.0.0/24 on eth0"]
    with pytest.raises(UserError, match=r"overlaps .* 10\.213\.0\.0/24 on eth0") as refused:
        ensure(Settings())
    assert "make sandbox RAYLINE_NETWORK=" in refused.value.hint
    assert "start" not in node.calls
