"""Secrets that the stack refers to and does not make: pull secrets, the certificate."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from infra.cluster_check.facts import ClusterFacts, Secret
from infra.cluster_check.parse import PULL_TYPES
from infra.cluster_check.registry import cluster_rule, kubectl
from infra.cluster_check.workloads import workloads
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, key_path, listed, warning
from infra.settings.image import registry_host

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
_PULL = key_path("image", "pullSecret")
_TLS = key_path("serve", "ingress", "tlsSecret")
TLS_TYPE = "kubernetes.io/tls"


@cluster_rule
def pull_secrets_exist(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The pull secrets exist in the stack's namespace, are of a type that kubelet reads, and one of
    them holds a login for the image's registry. Warnings: the registry may not ask for one."""
    problems: list[Problem] = []
    registries: list[str] = []
    server = registry(settings.image.ref or settings.image.repository or "")
    for name, found in _pull_secrets(settings, facts):
        if found is None:
            problems.append(
                warning(
                    _PULL,
                    f"is {name!r}, which the namespace {settings.cluster.namespace} does not have: "
                    f"pulls from {server} have no login. Type: {_make(settings, name, server)}",
                )
            )
        elif found.type not in PULL_TYPES:
            again = kubectl(settings, "delete secret", name)
            problems.append(
                warning(
                    _PULL,
                    f"is {name!r} of type {found.type}, which is ignored; its type must be "
                    f"{PULL_TYPES[0]}. Type: {again}, then: {_make(settings, name, server)}",
                )
            )
        else:
            registries += found.registries
    if registries and not any(_covers(each, server) for each in registries):
        name = next(name for name, _ in _pull_secrets(settings, facts))
        problems.append(
            warning(
                _PULL,
                f"has logins for {listed(registries)}, but the image is pulled from {server}. "
                f"Type: {_make(settings, f'{name}-2', server)}, and set pullSecret",
            )
        )
    return problems


@cluster_rule
def the_certificate_exists(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The Secret of `serve.ingress.tlsSecret` exists and is of type kubernetes.io/tls. A warning:
    a controller such as cert-manager may make it later."""
    ingress = settings.serve.ingress
    if ingress is None or ingress.tls_secret is None:
        return []
    found = facts.secrets[ingress.tls_secret].value
    if found is not None and found.type == TLS_TYPE:
        return []
    state = "does not exist" if found is None else f"is of type {found.type}, not {TLS_TYPE}"
    make = kubectl(settings, f"create secret tls {ingress.tls_secret} --cert=FILE --key=FILE")
    return [
        warning(
            _TLS,
            f"is {ingress.tls_secret!r}, which {state} in {settings.cluster.namespace}; most "
            f"controllers then answer with a certificate of their own. Type: {make}",
        )
    ]


def _make(settings: StackSettings, name: str, server: str) -> str:
    login = "--docker-username='<user>' --docker-password='<password>'"
    create = f"create secret docker-registry {name} --docker-server={server} {login}"
    return kubectl(settings, create)


def _pull_secrets(
    settings: StackSettings, facts: ClusterFacts
) -> Iterator[tuple[str, Secret | None]]:
    names = [
        each["name"]
        for workload in workloads(settings)
        for each in workload.spec.get("imagePullSecrets") or []
    ]
    for name in dict.fromkeys(names):
        if name in facts.secrets:
            yield name, facts.secrets[name].value


def registry(image: str) -> str:
    """The host of an image's name; Docker Hub where the name has none."""
    return registry_host(image) or DOCKER_HUB[0]


def _covers(entry: str, server: str) -> bool:
    """Entries are hosts or URLs, and may have wildcards.
    https://kubernetes.io/docs/concepts/containers/images/#config-json"""
    host = entry.partition("://")[2] or entry
    host = host.partition("/")[0]
    if server in DOCKER_HUB:
        return host in DOCKER_HUB
    return fnmatchcase(server, host)
