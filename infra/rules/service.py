"""The API's Service: fields that its type does not have, and plain HTTP."""

from infra.facts.machine import Facts
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
from infra.settings.serve import ServeService

_TYPE = key_path("serve", "service", "type")


@rule
def fields_belong_to_the_type_of_the_service(
    settings: StackSettings, _facts: Facts
) -> list[Problem]:
    """The API server refuses a node port or a class of the wrong type (ValidateService in
    https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/apis/core/validation/validation.go).
    """
    service = settings.serve.service
    return [
        error(
            key := key_path("serve", "service", name),
            f"is for a Service of type {' or '.join(types)}, and serve.service.type is "
            f"{service.type}. Type: {remove_command(key)}, or {set_command(_TYPE, types[-1])}",
        )
        for name, given, types in _fields(service)
        if given and service.type not in types
    ]


def _fields(service: ServeService) -> list[tuple[str, object, tuple[str, ...]]]:
    balanced = ("LoadBalancer",)
    return [
        ("nodePort", service.node_port, ("NodePort", "LoadBalancer")),
        ("loadBalancerClass", service.load_balancer_class, balanced),
        ("loadBalancerSourceRanges", service.load_balancer_source_ranges, balanced),
    ]


@rule
def passwords_are_not_sent_in_plain_text(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """The service speaks HTTP; TLS is a matter of whatever stands before it."""
    kind = settings.serve.service.type
    if kind == "ClusterIP":
        return []
    return [
        warning(
            _TYPE,
            f"is {kind}: clients send passwords and tokens over plain HTTP to it. Let something "
            "before it terminate TLS, or use rayline:serve.ingress with tlsSecret",
        )
    ]
