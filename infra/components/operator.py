"""The KubeRay operator and its CRDs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.providers.crds import KubeRayCrds, KubeRayCrdsArgs
from infra.settings.operator import Operator
from infra.specs import Spec

READY = pulumi.CustomTimeouts(create="5m", update="5m")


@dataclass(frozen=True, kw_only=True)
class KubeRayOperatorArgs:
    """`context` of the kubeconfig, the configuration key `operator`, the owner's ID, and the
    namespace and the objects of the chart (infra.specs.operator_chart)."""

    context: str
    operator: Operator
    stack: pulumi.Input[str]
    namespace: Spec
    objects: Sequence[Spec]


class KubeRayOperator(pulumi.ComponentResource):
    """The CRDs, then the objects of the chart. Empty if the cluster already has an operator.

    Each object is a resource of its own, not a part of a Helm release: Helm keeps a state in the
    cluster, in which it refuses to continue after a killed `up` (docs/adr/0033-no-helm-release.md).
    """

    def __init__(
        self, name: str, args: KubeRayOperatorArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:KubeRayOperator", name, None, opts)
        operator = args.operator
        if operator.install:
            # Ownership deletes it, if nothing of others is in it. It may be the project's namespace
            # too: two resources then apply the same object, which none of them deletes.
            namespace = kubernetes.core.v1.Namespace(
                name,
                metadata=args.namespace["metadata"],
                opts=self._child(retain_on_delete=True),
            )
            crds = KubeRayCrds(
                "kuberay-crds",
                KubeRayCrdsArgs(
                    context=args.context,
                    version=operator.version,
                    source=operator.crds.replace("{version}", operator.version),
                    keep=operator.keep_crds,
                    stack=args.stack,
                ),
                self._child(),
            )
            for each in args.objects:
                pulumi.CustomResource(
                    _type(each),
                    _name(each, operator.namespace),
                    {**each},
                    self._child(depends_on=[namespace, crds], custom_timeouts=READY),
                )
        self.register_outputs({})

    def _child(self, **options: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, **options)


def _name(each: Spec, home: str) -> str:
    """Unique among the objects of a kind: a chart may make a role in each namespace it watches."""
    name, namespace = str(each["metadata"]["name"]), each["metadata"].get("namespace")
    return name if namespace in (None, home) else f"{namespace}/{name}"


def _type(each: Spec) -> str:
    """The type by which pulumi-kubernetes knows a kind."""
    group = each["apiVersion"] if "/" in each["apiVersion"] else f"core/{each['apiVersion']}"
    return f"kubernetes:{group}:{each['kind']}"
