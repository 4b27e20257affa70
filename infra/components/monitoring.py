"""What leads a monitoring system to the metrics."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.specs import Spec


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """`manifests` are the objects, of which some are for the Prometheus operator."""

    manifests: Sequence[Spec]


class Monitoring(pulumi.ComponentResource):
    """The objects. Nothing waits for them: pods and models run without."""

    def __init__(
        self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:Monitoring", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        for manifest in args.manifests:
            kind, metadata = manifest["kind"], manifest["metadata"]
            resource = f"{kind.lower()}-{metadata['name']}"
            if kind == "ConfigMap":
                kubernetes.core.v1.ConfigMap(
                    resource, metadata=metadata, data=manifest["data"], opts=own
                )
            elif kind == "Service":
                kubernetes.core.v1.Service(
                    resource, metadata=metadata, spec=manifest["spec"], opts=own
                )
            else:
                kubernetes.apiextensions.CustomResource(
                    resource,
                    api_version=manifest["apiVersion"],
                    kind=kind,
                    metadata=metadata,
                    spec=manifest["spec"],
                    opts=own,
                )
        self.register_outputs({})
