"""The Serve applications, and the API's way to its clients."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.providers.applications import ServeApplications, ServeApplicationsArgs
from infra.settings import StackSettings
from infra.specs import names, services
from infra.specs.serve_config import serve_config

# What a preview shows: Kubernetes gives the address when the Service is made.
UNKNOWN = "<known after up>"


@dataclass(frozen=True, kw_only=True)
class ApplicationsArgs:
    """`hashes` of the templates and `incarnations` of the pods, by group: when pods that run
    applications restart, Serve is reconciled again."""

    settings: StackSettings
    hashes: Mapping[str, pulumi.Output[str]]
    incarnations: pulumi.Output[Mapping[str, list[str]]]


class Applications(pulumi.ComponentResource):
    """One Serve application a model. `status` is the state and route of each."""

    status: pulumi.Output[Mapping[str, Mapping[str, str]]]

    def __init__(
        self, name: str, args: ApplicationsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:serving:Applications", name, None, opts)
        settings = args.settings
        used = sorted({names.HEAD, *(model.gpu_group for model in settings.models)})
        restarting = used if settings.ray.upgrade == "recreate" else []
        applications = ServeApplications(
            name,
            ServeApplicationsArgs(
                context=settings.cluster.context,
                namespace=settings.cluster.namespace,
                cluster=settings.ray.name,
                head_service=names.head_service(settings),
                token_secret=names.ray_token_secret(settings),
                config=serve_config(settings),
                templates={group: args.hashes[group] for group in restarting},
                pods=args.incarnations.apply(
                    lambda pods: {group: pods.get(group, []) for group in used}
                ),
                deadline_seconds=settings.timeouts.model_ready_seconds,
                replace_foreign=settings.serve.replace_foreign,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.status = applications.applications
        self.register_outputs({"status": self.status})


class Api(pulumi.ComponentResource):
    """The Service of the API and, where it is configured, its Ingress. Nothing else is exposed."""

    address: pulumi.Output[str]
    """host:port inside the cluster, by address: valid where its names are not known too."""

    def __init__(
        self, name: str, settings: StackSettings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:serving:Api", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        manifest = services.api_service(settings)
        service = kubernetes.core.v1.Service(
            name, metadata=manifest["metadata"], spec=manifest["spec"], opts=child
        )
        if settings.serve.ingress is not None:
            ingress = services.ingress(settings)
            kubernetes.networking.v1.Ingress(
                name, metadata=ingress["metadata"], spec=ingress["spec"], opts=child
            )
        self.address = service.spec.cluster_ip.apply(
            lambda ip: f"{ip or UNKNOWN}:{settings.serve.port}"
        )
        self.register_outputs({"address": self.address})
