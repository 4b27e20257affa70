"""The processes of the node as data: command, network, order of start, health check."""

from dataclasses import dataclass
from typing import Literal

from sandbox.node import layout
from sandbox.settings import Settings


@dataclass(frozen=True)
class Component:
    """One process that the supervisor keeps running.

    `network` is the node's network namespace or the host's. BuildKit and the registry that it
    pushes to use the host's, so that builds reach the network as the host does and Pulumi's
    docker-build plug-in finds the registry under the same name as the node. `opens` is the TCP port
    (on the node) or socket that the next component waits for. `health` is a URL to request from the
    host; empty means that the component is healthy while it runs. `address` is shown to users.
    `drain` asks the process to end, and waits for it, before the rest is killed: it writes to a
    store that outlives the cluster.
    """

    name: str
    command: tuple[str, ...]
    network: Literal["node", "host"] = "node"
    opens: int | str = ""
    health: str = ""
    address: str = ""
    drain: bool = False


POLICIES = "kube-network-policies"
"""Name of the tool, its binary and its component."""


def _binary(name: str) -> str:
    return str(layout.BIN / name)


def _kubeconfig(name: str) -> str:
    return str(layout.CONFIG / f"{name}.kubeconfig")


def optional_tools(settings: Settings) -> tuple[str, ...]:
    """Names of the optional tools whose binaries run with these settings."""
    return (POLICIES,) if settings.enforce_policies else ()


def _policies(settings: Settings) -> tuple[Component, ...]:
    """Decides about each new connection of a pod that a NetworkPolicy selects.

    Its rules are in the node's network namespace, and vanish with it. Those of a killed process
    drop what it would decide about, until the supervisor has started it again.
    """
    if not settings.enforce_policies:
        return ()
    address = f"{settings.node_address}:10254"
    command = (
        _binary(POLICIES),
        f"--kubeconfig={_kubeconfig('admin')}",
        f"--node={layout.NODE_NAME}",
        f"--health-address={address}",
    )
    return (Component(POLICIES, command, health=f"http://{address}/healthz", address=address),)


def components(settings: Settings) -> tuple[Component, ...]:
    """Every component, in the order in which they start."""
    node = str(settings.node_address)
    pki = layout.PKI
    registry = ("docker-registry", "serve", str(layout.CONFIG / "registry.yaml"))
    registry_url = f"http://127.0.0.1:{settings.registry_port}/v2/"
    taint = f"--register-with-taints=dedicated.apiac.ru={layout.NODE_GROUP}:NoExecute"
    return (
        Component(
            "registry",
            registry,
            network="host",
            health=registry_url,
            address=settings.registry,
            drain=True,
        ),
        # The same store under the same name, on the node's network. The registry is designed to run
        # several copies on one store: https://distribution.github.io/distribution/about/deploying/
        Component("registry-node", registry, opens=settings.registry_port, drain=True),
        Component(
            "buildkitd",
            (_binary("buildkitd"), "--config", str(layout.CONFIG / "buildkitd.toml")),
            network="host",
            health=f"unix://{layout.BUILDKIT_SOCKET}",
            address=str(layout.BUILDKIT_SOCKET),
            drain=True,
        ),
        Component(
            "containerd",
            ("containerd", "--config", str(layout.CONFIG / "containerd.toml")),
            opens=str(layout.CONTAINERD_SOCKET),
            health=f"unix://{layout.CONTAINERD_SOCKET}",
            address=str(layout.CONTAINERD_SOCKET),
            drain=True,
        ),
        Component(
            "etcd",
            (
                _binary("etcd"),
                f"--data-dir={layout.STATE / 'etcd'}",
                "--listen-client-urls=http://127.0.0.1:2379",
                "--advertise-client-urls=http://127.0.0.1:2379",
                "--listen-peer-urls=http://127.0.0.1:2380",
                # Disk flushes cost a laptop more than losing a sandbox to a power cut.
                "--unsafe-no-fsync",
            ),
            opens=2379,
            health=f"{settings.api_url}/readyz/etcd",
        ),
        Component(
            "kube-apiserver",
            (
                _binary("kube-apiserver"),
                "--etcd-servers=http://127.0.0.1:2379",
                f"--advertise-address={node}",
                "--secure-port=6443",
                f"--service-cluster-ip-range={settings.service_network}",
                f"--tls-cert-file={pki / 'apiserver.crt'}",
                f"--tls-private-key-file={pki / 'apiserver.key'}",
                f"--client-ca-file={pki / 'ca.crt'}",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-account-key-file={pki / 'service-account.pub'}",
                f"--service-account-signing-key-file={pki / 'service-account.key'}",
                f"--kubelet-certificate-authority={pki / 'ca.crt'}",
                f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
                f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
                # No DNS server knows the node's name; the kubelet's certificate has its address.
                "--kubelet-preferred-address-types=InternalIP",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--allow-privileged=true",
                # Records who changed what: kubectl, Pulumi, and Ray's API behind the service proxy.
                f"--audit-policy-file={layout.CONFIG / 'audit.yaml'}",
                f"--audit-log-path={layout.LOGS / 'audit.jsonl'}",
                "--audit-log-maxsize=20",
                "--audit-log-maxbackup=1",
                "--profiling=false",
            ),
            opens=6443,
            health=f"{settings.api_url}/readyz",
            address=settings.api_url,
        ),
        Component(
            "kube-controller-manager",
            (
                _binary("kube-controller-manager"),
                f"--kubeconfig={_kubeconfig('controller-manager')}",
                f"--service-account-private-key-file={pki / 'service-account.key'}",
                f"--root-ca-file={pki / 'ca.crt'}",
                "--use-service-account-credentials",
                "--leader-elect=false",
                "--profiling=false",
                f"--bind-address={node}",
            ),
            health=f"https://{node}:10257/healthz",
            address=f"{node}:10257",
        ),
        Component(
            "kube-scheduler",
            (
                _binary("kube-scheduler"),
                f"--kubeconfig={_kubeconfig('scheduler')}",
                "--leader-elect=false",
                "--profiling=false",
                f"--bind-address={node}",
            ),
            health=f"https://{node}:10259/healthz",
            address=f"{node}:10259",
        ),
        Component(
            "kubelet",
            (
                _binary("kubelet"),
                f"--config={layout.CONFIG / 'kubelet.yaml'}",
                f"--kubeconfig={_kubeconfig('kubelet')}",
                f"--root-dir={layout.KUBELET_ROOT}",
                f"--hostname-override={layout.NODE_NAME}",
                f"--node-ip={node}",
                f"--node-labels=node.deckhouse.io/group={layout.NODE_GROUP}",
                *((taint,) if settings.gpu_taint else ()),
            ),
            health=f"https://{node}:10250/healthz",
            address=f"{node}:10250",
        ),
        Component(
            "kube-proxy",
            (_binary("kube-proxy"), f"--config={layout.CONFIG / 'kube-proxy.yaml'}"),
            health=f"http://{node}:10256/livez",
            address=f"{node}:10256",
        ),
        *_policies(settings),
        Component(
            "hostpath-provisioner",
            (
                _binary("hostpath-provisioner"),
                f"--kubeconfig={_kubeconfig('admin')}",
                f"--root={layout.VOLUMES}",
            ),
        ),
    )
