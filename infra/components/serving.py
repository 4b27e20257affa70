"""The Serve applications, and the API's Service and Ingress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.providers.applications import ServeApplications, ServeApplicationsArgs
from infra.providers.common.ray_cluster import RayClusterRef
from infra.specs import Spec
from infra.specs.services import address


@dataclass(frozen=True, kw_only=True)
class ApplicationsArgs(RayClusterRef):
    """`config` is the body for Serve's API. `groups` are the head and the GPU groups that run
    replicas. If the `incarnations` of their pods change, or the hash in `templates` of pods that
    are about to be replaced, Serve may have lost the applications, so they are reconciled."""

    head_service: str
    token_secret: str
    config: Spec
    groups: Sequence[str]
    templates: Mapping[str, pulumi.Input[str]]
    incarnations: pulumi.Output[Mapping[str, list[str]]]
    ready_seconds: int
    replace_foreign: bool


class Applications(pulumi.ComponentResource):
    """One Serve application per model. `status` is the state and route of each."""

    status: pulumi.Output[Mapping[str, Mapping[str, str]]]

    def __init__(
        self, name: str, args: ApplicationsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:serving:Applications", name, None, opts)
        applications = ServeApplications(
            name,
            ServeApplicationsArgs(
                context=args.context,
                namespace=args.namespace,
                cluster=args.cluster,
                head_service=args.head_service,
                token_secret=args.token_secret,
                config=args.config,
                templates=args.templates,
                pods=args.incarnations.apply(
                    lambda pods: {g: pods.get(g, []) for g in args.groups}
                ),
                deadline_seconds=args.ready_seconds,
                replace_foreign=args.replace_foreign,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.status = applications.applications
        self.register_outputs({"status": self.status})


@dataclass(frozen=True, kw_only=True)
class ApiArgs:
    """`ingress` is None if the API stays inside the cluster."""

    service: Spec
    ingress: Spec | None


class Api(pulumi.ComponentResource):
    """The Service of the API and, if configured, its Ingress. Nothing else is exposed."""

    address: pulumi.Output[str]
    """host:port, as far as the Service is reachable. Inside the cluster the host is an IP address,
    which works without the cluster's DNS."""

    def __init__(
        self, name: str, args: ApiArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:serving:Api", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        service = kubernetes.core.v1.Service(
            name, metadata=args.service["metadata"], spec=args.service["spec"], opts=child
        )
        if args.ingress is not None:
            kubernetes.networking.v1.Ingress(
                name, metadata=args.ingress["metadata"], spec=args.ingress["spec"], opts=child
            )
        self.address = _address(args.service, service)
        self.register_outputs({"address": self.address})


def _address(manifest: Spec, service: kubernetes.core.v1.Service) -> pulumi.Output[str]:
    published: pulumi.Input[list[str | None]] = []
    if manifest["spec"]["type"] == "LoadBalancer":
        balancer = service.status.load_balancer
        published = balancer.apply(
            lambda seen: [each.ip or each.hostname for each in (seen and seen.ingress) or ()]
        )
    known = pulumi.Output.all(
        service.spec.cluster_ip,
        service.spec.ports.apply(lambda ports: ports[0].node_port if ports else None),
        published,
    )
    return known.apply(
        lambda seen: address(manifest, cluster_ip=seen[0], node_port=seen[1], published=seen[2])
    )
