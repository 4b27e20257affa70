"""The parts that are killed, and what may come of it: one row per fault."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.faults import processes, state
from infra.specs import names
from sandbox.cluster.kubectl import Kubectl

PROXIES = frozenset({"head's HAProxy", "worker's HAProxy"})
REPLICA = PROXIES | {"replica", "engine"}
WORKER = REPLICA | {"worker's raylet", "proxy's replica"}
HEAD = PROXIES | {"control store", "controller", "head's raylet"}
STOPPED_SECONDS = 20.0
"""Shorter than the 40 s after which Kubernetes takes a node for lost."""


@dataclass(frozen=True)
class Fault:
    """`spared` are the addresses (`service`, `worker`) at which no request may fail and no stream
    be cut; at the others the last failure comes within `seconds`. Only what is in `changes` may be
    restarted. `long`: not in `make test`. `moves`: the worker's address changes, so it is not
    asked. `renewed` is a pod to replace before it is killed again, because kubelet waits longer
    before each restart of a container.
    """

    name: str
    inject: Callable[[Kubectl], object]
    changes: frozenset[str] = frozenset()
    spared: frozenset[str] = frozenset({"service", "worker"})
    seconds: float = 0.0
    long: bool = True
    moves: bool = False
    renewed: str = ""


def part(name: str) -> Callable[[Kubectl], object]:
    return lambda _kubectl: processes.kill(name)


def head(_kubectl: Kubectl) -> None:
    processes.kill("control store")
    # Unless `ray start` has noticed the end of the first and has ended it too.
    with contextlib.suppress(LookupError):
        processes.kill("head's raylet")


def store(kubectl: Kubectl) -> None:
    """The head at once too, so that no process of Ray writes to its store any more."""
    namespace, selector = state.PODS["head's pod"]
    text = kubectl.run("-n", namespace, "get", "pods", "-l", selector, "-o", "name")
    lose = ("--", "bash", "-c", f"rm -rf {names.CONTROL_STORE_MOUNT}/*")
    kubectl.run("-n", namespace, "exec", text.strip(), "-c", names.HEAD_CONTAINER, *lose)
    now = ("--force", "--grace-period=0", "--wait=false")
    kubectl.run("-n", namespace, "delete", "pods", "-l", selector, *now)


def component(*components: str) -> Callable[[Kubectl], object]:
    def inject(_kubectl: Kubectl) -> None:
        for name in components:
            processes.kill_component(name)
        for name in components:
            processes.wait_component(name)

    return inject


def stopped(name: str) -> Callable[[Kubectl], object]:
    def inject(_kubectl: Kubectl) -> None:
        with processes.stopped(name):
            time.sleep(STOPPED_SECONDS)

    return inject


def pod(name: str) -> Callable[[Kubectl], object]:
    def inject(kubectl: Kubectl) -> None:
        namespace, selector = state.PODS[name]
        options = ("-l", selector) if selector else ("--all",)
        kubectl.run("-n", namespace, "delete", "pods", *options, "--wait=false")

    return inject


NOWHERE = frozenset[str]()
FAULTS = (
    # The next controller reloads the proxies, which is a new process of each.
    Fault("controller", part("controller"), PROXIES | {"controller"}, long=False),
    Fault("head-deleted", pod("head's pod"), HEAD | {"head's pod"}),
    Fault("head-killed", head, HEAD, renewed="head's pod"),
    Fault("head-store-lost", store, HEAD | WORKER | {"head's pod"}, NOWHERE, seconds=90.0),
    Fault("engine", part("engine"), REPLICA, NOWHERE, seconds=60.0, long=False),
    Fault("worker-proxy", part("worker's HAProxy"), PROXIES, NOWHERE, seconds=20.0),
    Fault("api-server", component("kube-apiserver"), frozenset({"kube-apiserver"})),
    Fault("etcd", component("etcd"), frozenset({"etcd", "kube-apiserver"}), long=False),
    Fault("kubelet-stopped", stopped("kubelet")),
    Fault("operator", pod("operator's pod"), frozenset({"operator's pod"})),
    Fault("kubelet", component("kubelet"), frozenset({"kubelet"})),
    Fault(
        "registry",
        component("registry", "registry-node"),
        frozenset({"registry", "registry-node"}),
    ),
    Fault(
        "control-plane",
        component("kube-controller-manager", "kube-scheduler"),
        frozenset({"kube-controller-manager", "kube-scheduler"}),
    ),
    Fault("kube-proxy", component("kube-proxy"), frozenset({"kube-proxy"})),
    Fault("containerd", component("containerd"), frozenset({"containerd"})),
    Fault("head-proxy", part("head's HAProxy"), PROXIES),
    Fault("replica", part("replica"), REPLICA, NOWHERE, seconds=60.0),
    Fault("proxy-replica", part("proxy's replica"), PROXIES | {"proxy's replica"}),
    Fault("worker-raylet", part("worker's raylet"), WORKER, NOWHERE, seconds=120.0),
    Fault(
        "worker-pod",
        pod("worker's pod"),
        WORKER | {"worker's pod"},
        NOWHERE,
        seconds=150.0,
        moves=True,
    ),
)
