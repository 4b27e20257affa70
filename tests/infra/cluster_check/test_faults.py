"""A cluster that cannot be asked: one sentence, in time, without a traceback or a secret."""

import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from infra.cluster_check import program
from infra.cluster_check.program import Check
from infra.providers.common import api_server
from infra.settings import parse
from tests.infra.cluster_check.kubeconfigs import answering, kubeconfig, status
from tests.stacks import committed

VERSION = b'{"gitVersion": "v1.34.3"}'
Served = Callable[[], AbstractContextManager[str]]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Check]:
    def look(server: str, seconds: float = 1.0, **user: object) -> Check:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, server, **user)))
        began = time.monotonic()
        found = program.check(parse(committed("prod")), seconds)
        assert time.monotonic() - began < seconds + 1.5
        assert "hidden" not in repr(found)
        return found

    return look


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        (
            lambda: answering(401, status(401, "Unauthorized")),
            "answered 401: Unauthorized. The cred",
        ),
        (lambda: answering(500, status(500, "etcd is down")), "answered 500: etcd is down"),
        (lambda: answering(200, b"<html>a captive portal</html>"), "did not return a JSON object"),
        (lambda: answering(200, b"[1, 2]"), "did not return a JSON object"),
        (lambda: answering(200, VERSION, wait=30), "no answer within 1 s"),
        (lambda: answering(200, VERSION, drip=0.4), "no answer within 1 s"),
        (lambda: nullcontext("http://127.0.0.1:1"), "no answer from http://127.0.0.1:1"),
        (lambda: nullcontext("https://no.such.host.invalid"), "no answer"),
    ],
    ids=["401", "500", "html", "list", "hangs", "drips", "refused", "unknown host"],
)
def test_a_server_that_does_not_answer_as_one_is_a_sentence(
    look: Callable[..., Check], served: Served, reason: str
) -> None:
    with served() as server:
        found = look(server)
    assert not found.reached
    assert reason in found.reason
    assert "\n" not in found.reason
    assert found.problems == ()


def test_a_certificate_that_is_not_trusted_is_a_sentence(
    look: Callable[..., Check], tmp_path: Path
) -> None:
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()
        found = look(f"https://127.0.0.1:{plain.getsockname()[1]}")
    assert "no answer" in found.reason


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["no-such-plug-in"], "its credential plug-in failed: [Errno 2] No such file"),
        (["sh", "-c", "echo hidden >&2; exit 3"], "its credential plug-in failed: exec: process"),
        (["sh", "-c", "echo hidden"], "its credential plug-in failed: exec: failed to decode"),
        (["sleep", "3"], "no answer within 1 s"),
    ],
    ids=["missing", "fails", "garbage", "hangs"],
)
def test_a_credential_plug_in_that_fails_is_a_sentence(
    look: Callable[..., Check], command: list[str], reason: str
) -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": command[0],
        "args": command[1:],
        "interactiveMode": "Never",
    }
    with answering(200, VERSION) as server:
        found = look(server, exec=plugin)
    assert reason in found.reason
    with api_server._LOADING:  # kubeconfigs are loaded one by one, and this one may still be
        pass


def test_a_context_that_the_kubeconfig_lacks_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, "http://127.0.0.1:1")))
    found = program.check(parse(committed("prod", cluster__context="other")), 1)
    assert "context 'other' cannot be used" in found.reason


@pytest.mark.parametrize("content", ["", "a: [", "\x00", "apiVersion: v1\nkind: Config\n", "- 1"])
def test_a_kubeconfig_that_is_none_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(path))
    found = program.check(parse(committed("prod")), 1)
    assert not found.reached
    assert "\n" not in found.reason


def test_a_server_whose_other_answers_are_strange_reports_nothing(
    look: Callable[..., Check],
) -> None:
    """Each fact is unknown for its own reason, and no rule invents anything."""
    with answering(200, b'{"gitVersion": "v1.34.3", "items": [1], "metadata": 5}') as server:
        found = look(server)
    assert found.reached
    assert found.problems == ()
    assert found.skipped
