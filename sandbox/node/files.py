"""The configuration files of the node's processes: settings in, texts by file name out.

Nothing here touches a disk. The paths are those of `layout`, which are the same on every machine.
"""

import json
from dataclasses import dataclass
from typing import Any

import yaml

from sandbox.node import layout
from sandbox.settings import Settings


@dataclass(frozen=True)
class User:
    """A Kubernetes user, by the name and groups in its client certificate."""

    name: str
    groups: tuple[str, ...] = ()


USERS = {
    "admin": User("admin", ("system:masters",)),
    "controller-manager": User("system:kube-controller-manager"),
    "scheduler": User("system:kube-scheduler"),
    "kube-proxy": User("system:kube-proxy"),
    "kubelet": User(f"system:node:{layout.NODE_NAME}", ("system:nodes",)),
}
"""Who connects to the API server. The key names the kubeconfig and its key pair; the user and group
names are those that Kubernetes' built-in roles are bound to."""


def kubeconfig(key: str, settings: Settings, folder: str) -> str:
    """The kubeconfig of `USERS[key]`, with its key pair in `folder` (an absolute path)."""
    user = USERS[key].name
    return _yaml(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": layout.NODE_NAME,
                    "cluster": {
                        "server": settings.api_url,
                        "certificate-authority": f"{folder}/ca.crt",
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate": f"{folder}/{key}.crt",
                        "client-key": f"{folder}/{key}.key",
                    },
                }
            ],
            "contexts": [
                {
                    "name": layout.NODE_NAME,
                    "context": {"cluster": layout.NODE_NAME, "user": user},
                }
            ],
            "current-context": layout.NODE_NAME,
        }
    )


def files(settings: Settings, pause_image: str) -> dict[str, str]:
    """Every file of the node's configuration folder, by name."""
    kubeconfigs = {f"{key}.kubeconfig": kubeconfig(key, settings, str(layout.PKI)) for key in USERS}
    return kubeconfigs | {
        "containerd.toml": _containerd(pause_image),
        "cni/10-rayline.conflist": json.dumps(_cni(settings), indent=2) + "\n",
        "buildkitd.toml": _buildkitd(settings),
        "registry.yaml": _yaml(_registry(settings)),
        "kubelet.yaml": _yaml(_kubelet(settings)),
        "kube-proxy.yaml": _yaml(_kube_proxy(settings)),
        "audit.yaml": _yaml(_audit()),
    }


def buildx_instance() -> dict[str, Any]:
    """The file by which buildx and Pulumi's docker-build plug-in find the node's BuildKit.

    Without it the plug-in would pull a BuildKit image and start it with a Docker engine.
    """
    node: dict[str, Any] = {
        "Name": f"{layout.BUILDER}0",
        "Endpoint": f"unix://{layout.BUILDKIT_SOCKET}",
        "Platforms": None,
        "DriverOpts": {},
        "Flags": None,
        "Files": None,
    }
    return {"Name": layout.BUILDER, "Driver": "remote", "Nodes": [node], "Dynamic": False}


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)


def _containerd(pause_image: str) -> str:
    """containerd with nothing but its CRI service.

    `restrict_oom_score_adj` lets pods start where root lacks CAP_SYS_RESOURCE (in a container or a
    small VM) and so may not lower the score.
    """
    return f"""\
version = 2
root = "{layout.CACHE}/containerd"
state = "{layout.SCRATCH}/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{layout.CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{layout.CONFIG}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def _cni(settings: Settings) -> dict[str, Any]:
    """One routed veth pair per pod.

    On a bridge, a reply between two pods of one node bypasses iptables unless the kernel has
    br_netfilter, which breaks Services; routed pairs need no kernel module. Pods keep their
    addresses up to the host, which masquerades outgoing traffic.
    """
    return {
        "cniVersion": "0.4.0",
        "name": "rayline",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(layout.SCRATCH / "cni"),
                    "ranges": [[{"subnet": str(settings.pod_network)}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _buildkitd(settings: Settings) -> str:
    return f"""\
root = "{layout.CACHE}/buildkit"

[grpc]
  address = ["unix://{layout.BUILDKIT_SOCKET}"]

[worker.oci]
  enabled = true
  gc = true
  defaultCgroupParent = "{layout.CGROUP}/buildkit"
  reservedSpace = "10GB"
  maxUsedSpace = "25GB"

[worker.containerd]
  enabled = false

[registry."{settings.registry}"]
  http = true
"""


def _registry(settings: Settings) -> dict[str, Any]:
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": f"{layout.CACHE}/registry"},
            "delete": {"enabled": True},
            # Off, because it walks the whole store at each start; `stores.enforce` bounds the size.
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {
            "addr": f"127.0.0.1:{settings.registry_port}",
            # Both copies must sign the state of an upload alike. Only this machine reaches them.
            "secret": "rayline-sandbox",
        },
    }


def _kubelet(settings: Settings) -> dict[str, Any]:
    pki = str(layout.PKI)
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(settings.node_address),
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.CGROUP}",
        "containerRuntimeEndpoint": f"unix://{layout.CONTAINERD_SOCKET}",
        "clusterDNS": [str(settings.dns_address)],
        "clusterDomain": "cluster.local",
        "resolvConf": str(layout.STATE / "resolv.conf"),
        "failSwapOn": False,
        "podLogsDir": str(layout.STATE / "pod-logs"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{pki}/kubelet.key",
        "registerNode": True,
        # The node shares the machine's disk, so pods must not be evicted when others fill it.
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": False,
        "serializeImagePulls": False,
        "shutdownGracePeriod": "0s",
        "nodeStatusReportFrequency": "1m0s",
        "enableProfilingHandler": False,
    }


def _audit() -> dict[str, Any]:
    """One line per change that a person or Pulumi makes, without bodies, so without secrets.

    https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
    """
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {
                "level": "Metadata",
                "users": [USERS["admin"].name],
                "verbs": ["create", "update", "patch", "delete", "deletecollection"],
            },
            {"level": "None"},
        ],
    }


def _kube_proxy(settings: Settings) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": str(settings.node_address),
        "clientConnection": {"kubeconfig": str(layout.CONFIG / "kube-proxy.kubeconfig")},
        "clusterCIDR": str(settings.pod_network),
        "hostnameOverride": layout.NODE_NAME,
        "healthzBindAddress": f"{settings.node_address}:10256",
        "metricsBindAddress": f"{settings.node_address}:10249",
        "mode": "iptables",
        # Leave the kernel's limits: the default sets a sysctl, which a container may not.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }
