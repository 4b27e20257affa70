"""The Kubernetes objects of every sandbox cluster: settings in, documents out.

Add new objects to `documents`.
"""

from typing import Any

from sandbox.settings import Settings

PROVISIONER = "rayline.dev/hostpath"
"""`Name` in `toolchain/sources/kubernetes/hostpath-provisioner/main.go`."""

COREFILE = """\
.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
}
"""

Document = dict[str, Any]


def documents(settings: Settings, dns_image: str) -> list[Document]:
    """Every object, in the order in which it is applied."""
    return [*_storage_classes(), *_dns(settings, dns_image)]


def deployment(name: str, namespace: str, labels: dict[str, str], pod: Document) -> Document:
    """A Deployment of one pod with the spec `pod`, selected by `labels`."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def node_status_patch(settings: Settings) -> Document:
    """Advertise GPUs without a device, so that pods are really scheduled onto GPU groups.

    The kubelet keeps a resource that it does not manage until it registers the node again.
    """
    gpus = {"nvidia.com/gpu": str(settings.gpus)}
    return {"status": {"capacity": gpus, "allocatable": gpus}}


def _storage_classes() -> list[Document]:
    """A default class, and one named like the original deployment's shared one (docs/origin.md)."""
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": name,
                "annotations": {"storageclass.kubernetes.io/is-default-class": default},
            },
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
            "allowVolumeExpansion": True,
        }
        for name, default in (("standard", "true"), ("cephfs", "false"))
    ]


def _dns(settings: Settings, image: str) -> list[Document]:
    name, namespace = "coredns", "kube-system"
    metadata = {"name": name, "namespace": namespace}
    labels = {"k8s-app": "kube-dns"}
    read = ["list", "watch"]
    container: Document = {
        "name": name,
        "image": image,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {
            "requests": {"cpu": "20m", "memory": "30Mi"},
            "limits": {"memory": "170Mi"},
        },
        "ports": [
            {"containerPort": 53, "protocol": "UDP", "name": "dns"},
            {"containerPort": 53, "protocol": "TCP", "name": "dns-tcp"},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["endpoints", "services", "pods", "namespaces"],
                    "verbs": read,
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": read,
                },
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:coredns",
            },
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"Corefile": COREFILE},
        },
        deployment(
            name,
            namespace,
            labels,
            {
                "serviceAccountName": name,
                "priorityClassName": "system-cluster-critical",
                "dnsPolicy": "Default",
                "tolerations": [{"operator": "Exists"}],
                "containers": [container],
                "volumes": [{"name": "config", "configMap": {"name": name}}],
            },
        ),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": namespace, "labels": labels},
            "spec": {
                "clusterIP": str(settings.dns_address),
                "selector": labels,
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
        },
    ]
