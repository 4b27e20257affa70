"""The configuration files of the node's processes: settings in, file name to text out.

Nothing here touches a disk. The paths are those of `layout`, which hold on every machine.
"""

import json
from typing import Any

import yaml

from sandbox.node import layout
from sandbox.settings import Settings

PAUSE_IMAGE = "rayline/pause"

KUBECONFIGS = {
    "admin": "admin",
    "controller-manager": "system:kube-controller-manager",
    "scheduler": "system:kube-scheduler",
    "kube-proxy": "system:kube-proxy",
    "kubelet": f"system:node:{layout.NODE_NAME}",
}
"""Kubeconfig name to user: the names that Kubernetes' built-in roles are bound to."""


def kubeconfig(user: str, certificate: str, settings: Settings, folder: str) -> str:
    """A kubeconfig that names the key files in `folder` (absolute)."""
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
                        "client-certificate": f"{folder}/{certificate}.crt",
                        "client-key": f"{folder}/{certificate}.key",
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
    inside = {
        f"{name}.kubeconfig": kubeconfig(user, name, settings, str(layout.PKI))
        for name, user in KUBECONFIGS.items()
    }
    return inside | {
        "containerd.toml": _containerd(pause_image),
        "cni/10-rayline.conflist": json.dumps(_cni(settings), indent=2) + "\n",
        "buildkitd.toml": _buildkitd(settings),
        "registry.yaml": _yaml(_registry(settings)),
        "kubelet.yaml": _yaml(_kubelet(settings)),
        "kube-proxy.yaml": _yaml(_kube_proxy(settings)),
        "audit.yaml": _yaml(_audit()),
    }


def buildx_instance() -> dict[str, Any]:
    """The file by which buildx, and Pulumi's docker-build plug-in, know a builder.

    Without one the plug-in would pull a BuildKit image and start it with a Docker engine.
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
    """CRI only.

    `restrict_oom_score_adj`: a root without CAP_SYS_RESOURCE (a container, a small VM) may not
    lower the score, and without this line no pod's sandbox starts there.
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
    """A routed pair for each pod.

    With a bridge, an answer between two pods of one node passes below iptables unless the kernel
    has br_netfilter, and a Service would not work; a routed pair needs no kernel module. Pods keep
    their addresses up to the host, which masquerades what leaves it.
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
            # Off: it walks the whole store at each start, and the size is bounded at start anyway.
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {
            "addr": f"127.0.0.1:{settings.registry_port}",
            # Both copies must sign the state of an upload alike; nobody else can reach them.
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
        # The node shares the machine's disk: its filling up is no reason to evict a pod here.
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
    """One line for each change that a person or Pulumi makes; no body, so no secret.

    https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
    """
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {
                "level": "Metadata",
                "users": [KUBECONFIGS["admin"]],
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
        # Sized to a laptop; the default asks for a sysctl that a container may not set.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }
