"""A sandbox with RAYLINE_ENFORCE_POLICIES=1 holds pods to their NetworkPolicies.

What rayline's own policies let pass is tested without a sandbox: tests/cluster/enforced.
"""

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator

import pytest

from sandbox import paths
from sandbox.cluster.kubectl import Kubectl
from sandbox.node import components, health, host
from sandbox.settings import Settings
from tests.cluster.running import sandbox_command
from tests.cluster.test_lifecycle import down, look, until, up
from tests.cluster.test_sandbox import apply, pod, wait
from toolchain.errors import CommandError

pytestmark = pytest.mark.lifecycle

ENFORCING = Settings(enforce_policies=True)
NAMESPACE, PORT = "guarded", 8000
POLICY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "server"},
    "spec": {
        "podSelector": {"matchLabels": {"app": "server"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}],
    },
}


@pytest.fixture
def enforcing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubectl]:
    """A new sandbox that enforces policies; none is left after the test."""
    down()
    with monkeypatch.context() as patch:
        patch.setenv("RAYLINE_ENFORCE_POLICIES", "1")
        up()
        yield Kubectl(paths.BIN / "kubectl", paths.KUBECONFIG)
        down()


def reaches(kubectl: Kubectl, name: str, address: str) -> bool:
    """Whether the pod `name` connects within 3 s."""
    program = f"import socket; socket.create_connection(('{address}', {PORT}), 3)"
    with contextlib.suppress(CommandError):
        kubectl.run("-n", NAMESPACE, "exec", name, "--", "python3", "-c", program)
        return True
    return False


def reached_from_outside(address: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, PORT), 3):
        return True
    return False


@pytest.mark.timeout(600)
def test_a_policy_holds_while_its_enforcer_is_restarted_and_goes_with_the_node(
    enforcing: Kubectl,
) -> None:
    base = json.loads((paths.STATE / "images.json").read_text())["base"]
    enforcing.run("create", "namespace", NAMESPACE)
    serve = ("python3", "-m", "http.server", str(PORT))
    # kubelet's probe shows that the node is not held back.
    ready = {"readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1}}
    apply(
        enforcing,
        NAMESPACE,
        POLICY,
        pod("server", base, *serve, container=ready),
        *(pod(name, base, "sleep", "3600") for name in ("friend", "stranger")),
    )
    for name in ("server", "friend", "stranger"):
        wait(enforcing, NAMESPACE, "condition=Ready", f"pod/{name}")
    address = enforcing.run(
        "-n", NAMESPACE, "get", "pod", "server", "-o", "jsonpath={.status.podIP}"
    )

    def holds() -> None:
        assert reaches(enforcing, "friend", address)
        assert not reaches(enforcing, "stranger", address)
        assert not reached_from_outside(address)

    until(lambda: not reaches(enforcing, "stranger", address), 20)
    holds()

    def row() -> health.Row:
        return next(r for r in health.rows(ENFORCING) if r.name == components.POLICIES)

    killed = row().pid
    os.kill(killed, signal.SIGKILL)
    until(lambda: row().ok and row().pid not in {0, killed})
    holds()

    enforcing.run("-n", NAMESPACE, "delete", "networkpolicy", "server")
    until(lambda: reaches(enforcing, "stranger", address), 20)
    down()
    assert host.processes() == []


def test_nothing_of_it_is_left_on_the_machine_and_the_next_sandbox_is_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rules are in the network namespace of the node, so they are gone when it is."""
    down()
    machine = look()
    with monkeypatch.context() as patch:
        patch.setenv("RAYLINE_ENFORCE_POLICIES", "1")
        up()
        assert components.POLICIES in sandbox_command("status").stdout
        down()
    until(lambda: look() == machine, 5)
    up()
    assert components.POLICIES not in sandbox_command("status").stdout
    down()
