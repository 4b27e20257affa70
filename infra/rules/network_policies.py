"""NetworkPolicies that would close what the stack itself needs."""

from infra.facts.machine import Facts
from infra.rules.pods import pod_templates
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    error,
    key_path,
    remove_command,
    set_command,
    warning,
)
from infra.settings.network_policies import Sources

PLACE = ("network", "policies")


@rule
def somebody_may_connect_to_the_api(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """An empty list is a mistake rather than a wish: the stack would serve nobody."""
    wanted, serve = settings.network.policies, settings.serve
    if wanted is None:
        return []
    key = key_path(*PLACE, "apiFrom")
    if not _any(wanted.api_from):
        what = "no pod and no network may connect to the API"
        return [error(key, f"is empty, so {what}. Type: {_name_pods(key)}")]
    if serve.service.type != "ClusterIP" and not wanted.api_from.networks:
        networks = f"{key}.networks[0]"
        return [
            warning(
                key,
                f"names pods only, but rayline:serve.service.type is {serve.service.type}: its "
                "clients connect from their own addresses, or from those of the nodes. "
                f"Type: {set_command(networks, '<network>')}",
            )
        ]
    return []


@rule
def the_api_server_may_connect_to_the_head(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """`up` posts the applications through the API server's proxy, whose connections come from the
    control plane. With rayService KubeRay's operator posts them."""
    wanted = settings.network.policies
    if wanted is None or settings.serve.delivery != "restApi" or _any(wanted.control_plane):
        return []
    key = key_path(*PLACE, "controlPlane")
    return [
        error(
            key,
            "is empty, but `up` reaches Ray's REST API through the API server, which connects from "
            "the addresses of the control plane (kubectl get endpointslices -n default -l "
            "kubernetes.io/service-name=kubernetes). "
            f"Type: {set_command(f'{key}.networks[0]', '<network>')}",
        )
    ]


@rule
def policies_reach_the_pods(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Pods on the host's network have the address of their node: policies do not select them, and
    the other pods would refuse them."""
    if settings.network.policies is None:
        return []
    return [
        error(
            key := key_path(*owner, "podTemplate", "spec", "hostNetwork"),
            "is true, but NetworkPolicies do not apply to pods on the host's network, so head and "
            "workers could not connect to each other. "
            f"Type: {remove_command(key)}, or: {remove_command(key_path(*PLACE))}",
        )
        for owner, template in pod_templates(settings)
        if owner != ("hub",) and template.spec.get("hostNetwork") is True
    ]


def _any(sources: Sources) -> bool:
    return bool(sources.pods or sources.networks)


def _name_pods(key: str) -> str:
    return set_command(f"{key}.pods[0].namespace", "<namespace>")
