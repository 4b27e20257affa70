"""The KubeRay operator and its CRDs."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.providers.crds import KubeRayCrds, KubeRayCrdsArgs
from infra.settings.operator import Operator
from infra.specs.operator_values import NAME, values

INSTALL_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class KubeRayOperatorArgs:
    """`context` of the kubeconfig, the configuration key `operator`, and the owner's ID."""

    context: str
    operator: Operator
    stack: pulumi.Input[str]


class KubeRayOperator(pulumi.ComponentResource):
    """The CRDs, then the Helm release. Empty if the cluster already has an operator."""

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
                metadata={"name": operator.namespace},
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
            kubernetes.helm.v3.Release(
                name,
                name=NAME,
                chart=operator.chart,
                version=operator.version,
                repository_opts={"repo": operator.repository} if operator.repository else None,
                namespace=operator.namespace,
                values=values(operator),
                skip_crds=True,
                atomic=True,
                timeout=INSTALL_SECONDS,
                opts=self._child(depends_on=[namespace, crds]),
            )
        self.register_outputs({})

    def _child(self, **options: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, **options)
