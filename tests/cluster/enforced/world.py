"""A cluster of one node, seen by packets: its pods, what is outside, and who decides."""

import contextlib
import dataclasses
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.apiserver import processes
from tests.apiserver.server import ApiServer
from tests.apiserver.server import api_server as started
from tests.cluster.enforced.namespaces import Namespace, Place
from tests.infra.specs.policies import End

NODE = "node"
ROUTER, NODE_ADDRESS = "10.42.0.1", "10.42.0.2"
NOBODY = 65534


@dataclass
class World:
    """`places` has the addresses of all ends by name, and of the node: as root and as a user."""

    server: ApiServer
    node: Namespace
    places: dict[str, Place]
    folder: Path
    binary: Path
    policies: list[Mapping[str, Any]] = field(default_factory=list)

    def apply(self, policies: Iterable[Mapping[str, Any]]) -> None:
        """Make these the only policies."""
        with self.node.inside():
            for each in self.policies:
                self.server.delete(each)
            self.policies = list(policies)
            for each in self.policies:
                self.server.create(each)

    @contextlib.contextmanager
    def enforced(self) -> Iterator["subprocess.Popen[bytes]"]:
        """What decides about connections, once it has read the policies. No rule of it is left
        after the block, unless the process was killed in it."""
        with contextlib.ExitStack() as stack:
            with self.node.inside():
                (port,) = processes.free_ports(1)
                address = f"127.0.0.1:{port}"
                command = [
                    str(self.binary),
                    f"--kubeconfig={self.server.folder / 'kubeconfig.controllers'}",
                    f"--node={NODE}",
                    f"--health-address={address}",
                ]
                log = self.folder / "enforcer.log"
                process = stack.enter_context(processes.running(command, log))
                self.server.until(lambda: _healthy(address), f"{self.binary.name}, see {log}")
            yield process
            process.terminate()
            process.wait(10)


def _healthy(address: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://{address}/healthz", trust_env=False).status_code == 200
    return False


@contextlib.contextmanager
def world(
    binaries: Mapping[str, Path],
    folder: Path,
    ends: Mapping[str, End],
    ports: Mapping[str, Iterable[int]],
) -> Iterator[World]:
    """The node with `ends` around it, of which each listens on its TCP `ports`."""
    with contextlib.ExitStack() as stack:
        node = stack.enter_context(contextlib.closing(Namespace()))
        with node.inside():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            cluster = folder / "cluster"
            cluster.mkdir()
            server = stack.enter_context(started(binaries, cluster))
        node.ip(f"address add {NODE_ADDRESS}/32 dev lo")
        places = {
            "root of the node": Place(node, NODE_ADDRESS),
            "user of the node": Place(node, NODE_ADDRESS, NOBODY),
        }
        outside = stack.enter_context(contextlib.closing(Namespace()))
        strangers = {name: end.address for name, end in ends.items() if end.labels is None}
        node.link("outside", ROUTER, outside, strangers.values())
        places |= {name: Place(outside, address) for name, address in strangers.items()}
        for number, (name, end) in enumerate(ends.items()):
            if end.labels is not None:
                pod = stack.enter_context(contextlib.closing(Namespace()))
                node.link(f"pod{number}", ROUTER, pod, [end.address])
                places[name] = Place(pod, end.address)
        for name, listed in ports.items():
            for port in listed:
                stack.enter_context(places[name].listen(port))
        with node.inside():
            _declare(server, ends)
        yield World(server, node, places, folder, binaries["kube-network-policies"])


def _declare(server: ApiServer, ends: Mapping[str, End]) -> None:
    """What the API server knows about the pods; kubelet would report their addresses."""
    pods = {name: end for name, end in ends.items() if end.labels is not None}
    for namespace in {end.namespace for end in pods.values()}:
        server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for name, end in pods.items():
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **_without(end, "address")},
            "spec": {"nodeName": NODE, "containers": [{"name": "c", "image": "i"}]},
        }
        server.create(pod)
        server.set_status(pod, phase="Running", podIP=end.address, podIPs=[{"ip": end.address}])


def _without(end: End, name: str) -> dict[str, Any]:
    return {key: value for key, value in dataclasses.asdict(end).items() if key != name}
