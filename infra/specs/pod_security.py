"""The Pod Security Standards: what a level refuses in a pod.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ as Kubernetes 1.34 enforces it.
tests/infra/validation/test_pod_security.py compares this module with a real API server.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

LEVELS = ("restricted", "baseline")
"""The levels that refuse anything, the strictest first."""
ENFORCE = "pod-security.kubernetes.io/enforce"
ENFORCE_VERSION = "pod-security.kubernetes.io/enforce-version"
VERSION = "v1.34"
"""Newer versions of Kubernetes may refuse more; the label of the version keeps what was tested."""

_ADDABLE = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
        "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
        "net.ipv4.tcp_syncookies",
    }
)  # fmt: skip
_VOLUMES = frozenset(
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
        "projected", "secret",
    }
)  # fmt: skip
_SELINUX = frozenset(
    {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
)
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"

Object = Mapping[str, Any]


def violations(template: Object, level: str) -> list[str]:
    """What the level refuses in the pods of a template, in words; empty if it admits them."""
    if level not in LEVELS:
        return []
    spec = template.get("spec") or {}
    found = [*_baseline(spec), *_annotations(template)]
    if level == "restricted":
        found += _restricted(spec)
    return list(dict.fromkeys(found))


def strictest(templates: Iterable[Object]) -> str | None:
    """The strictest level that admits the pods of all templates; None if each refuses some."""
    every = list(templates)
    for level in LEVELS:
        if not any(violations(template, level) for template in every):
            return level
    return None


def labels(level: str | None) -> dict[str, str]:
    """The labels of a namespace that enforces a level."""
    return {} if level is None else {ENFORCE: level, ENFORCE_VERSION: VERSION}


def _baseline(spec: Object) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec.get("volumes") or ():
        if "hostPath" in volume:
            yield f"the hostPath volume {volume.get('name')}"
    pod = spec.get("securityContext") or {}
    for sysctl in pod.get("sysctls") or ():
        if sysctl.get("name") not in _SYSCTLS:
            yield f"the sysctl {sysctl.get('name')}"
    yield from _of_context(pod, "the pod")
    for container in _containers(spec):
        context, title = _context(container), f"container {container.get('name')}"
        if context.get("privileged"):
            yield f"{title} privileged"
        if more := sorted(set(_capabilities(context, "add")) - _ADDABLE):
            yield f"{title} with the capabilities {', '.join(more)}"
        if context.get("procMount", "Default") != "Default":
            yield f"{title} with procMount {context['procMount']}"
        if any(port.get("hostPort") for port in container.get("ports") or ()):
            yield f"{title} with a hostPort"
        if any(_hosts(container)):
            yield f"{title} with a probe or hook of another host"
        yield from _of_context(context, title)


def _of_context(context: Object, title: str) -> Iterator[str]:
    """Of the security context of a pod or of a container."""
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{title} as a process of the host"
    options = context.get("seLinuxOptions") or {}
    if options.get("type", "") not in _SELINUX or options.get("user") or options.get("role"):
        yield f"{title} with seLinuxOptions"
    for profile in ("seccompProfile", "appArmorProfile"):
        if (context.get(profile) or {}).get("type") == "Unconfined":
            yield f"{title} with an unconfined {profile}"


def _annotations(template: Object) -> Iterator[str]:
    for name, value in ((template.get("metadata") or {}).get("annotations") or {}).items():
        confined = value in ("", "runtime/default") or str(value).startswith("localhost/")
        if name.startswith(_APPARMOR) and not confined:
            yield f"the annotation {name}"


def _restricted(spec: Object) -> Iterator[str]:
    for volume in spec.get("volumes") or ():
        kinds = set(volume) - {"name"}
        if kinds and not kinds <= _VOLUMES:
            yield f"the {', '.join(sorted(kinds))} volume {volume.get('name')}"
    pod = spec.get("securityContext") or {}
    if pod.get("runAsUser") == 0:
        yield "the pod as user 0"
    for container in _containers(spec):
        context, title = _context(container), f"container {container.get('name')}"
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{title} without allowPrivilegeEscalation: false"
        if not _or(context, pod, "runAsNonRoot"):
            yield f"{title} without runAsNonRoot: true"
        if context.get("runAsUser") == 0:
            yield f"{title} as user 0"
        if not (_or(context, pod, "seccompProfile") or {}).get("type"):
            yield f"{title} without a seccompProfile"
        if "ALL" not in _capabilities(context, "drop"):
            yield f"{title} without drop: [ALL] of capabilities"
        if more := sorted(set(_capabilities(context, "add")) - {"NET_BIND_SERVICE"}):
            yield f"{title} with the capabilities {', '.join(more)}"


def _containers(spec: Object) -> list[Object]:
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _context(container: Object) -> Object:
    return container.get("securityContext") or {}


def _or(context: Object, pod: Object, name: str) -> Any:
    own = context.get(name)
    return pod.get(name) if own is None else own


def _capabilities(context: Object, which: str) -> list[str]:
    return list((context.get("capabilities") or {}).get(which) or ())


def _hosts(container: Object) -> Iterator[str]:
    lifecycle = container.get("lifecycle") or {}
    handlers = [container.get(f"{kind}Probe") for kind in ("liveness", "readiness", "startup")]
    for handler in (*handlers, lifecycle.get("postStart"), lifecycle.get("preStop")):
        for kind in ("httpGet", "tcpSocket"):
            yield ((handler or {}).get(kind) or {}).get("host") or ""
