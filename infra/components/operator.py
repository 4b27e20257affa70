"""The KubeRay operator and its CRDs."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.providers.crds import KubeRayCrds, KubeRayCrdsArgs
from infra.settings import StackSettings

NAME = "kuberay-operator"
INSTALL_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class KubeRayOperatorArgs:
    settings: StackSettings


class KubeRayOperator(pulumi.ComponentResource):
    """CRDs first, then the Helm release. Nothing where the cluster has an operator already."""

    def __init__(
        self, name: str, args: KubeRayOperatorArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:KubeRayOperator", name, None, opts)
        operator = args.settings.operator
        if operator.install:
            namespace = kubernetes.core.v1.Namespace(
                name, metadata={"name": operator.namespace}, opts=self._child()
            )
            crds = KubeRayCrds(
                "kuberay-crds",
                KubeRayCrdsArgs(
                    context=args.settings.cluster.context,
                    version=operator.version,
                    source=operator.crds.replace("{version}", operator.version),
                    keep=operator.keep_crds,
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
                values=values(args.settings),
                skip_crds=True,
                atomic=True,
                timeout=INSTALL_SECONDS,
                opts=self._child(depends_on=[namespace, crds]),
            )
        self.register_outputs({})

    def _child(self, **options: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, **options)


def values(settings: StackSettings) -> dict[str, Any]:
    """Values of KubeRay's chart: the name without the release's, and an image of one's own.

    https://github.com/ray-project/kuberay/blob/v1.6.2/helm-chart/kuberay-operator/values.yaml
    """
    given: dict[str, Any] = {"fullnameOverride": NAME}
    if settings.operator.image is not None:
        repository, _, tag = settings.operator.image.rpartition(":")
        given["image"] = {"repository": repository, "tag": tag}
    return given
