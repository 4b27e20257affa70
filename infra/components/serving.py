"""The Serve applications, and the API's Service and Ingress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.providers.applications import ServeApplications, ServeApplicationsArgs
from infra.providers.common.ray_cluster import RayClusterRef
from infra.providers.published_address import PublishedAddress, PublishedAddressArgs
from infra.specs import Spec
from infra.specs.services import address

UNAWAITED = {"pulumi.com/skipAwait": "true"}
"""Some ingress controllers and load balancers publish no address, and a Service whose pods are not
Ready is one of the states that the same `up` mends: ServeApplications is the check that counts.
Deletion is still awaited: only Namespaces and kinds with pods skip that too
(allowsSkipAwaitWithDelete of
https://github.com/pulumi/pulumi-kubernetes/blob/v4.25.0/provider/pkg/metadata/overrides.go)."""


@dataclass(frozen=True, kw_only=True)
class ApplicationsArgs(RayClusterRef):
    """`config` is the body for Serve's API. `wanted` is the ConfigMap from which the head restores
    it. `groups` are the head and the GPU groups that run
    replicas. If the `incarnations` of their pods change, or the hash in `templates` of pods that
    are about to be replaced, Serve may have lost the applications, so they are reconciled. Without
    `sends`, KubeRay sends them."""

    head_service: str
    token_secret: str
    config: Spec
    wanted: str
    groups: Sequence[str]
    templates: Mapping[str, pulumi.Input[str]]
    incarnations: pulumi.Output[Mapping[str, list[str]]]
    ready_seconds: int
    replace_foreign: bool = False
    sends: bool = True


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
                wanted=args.wanted,
                templates=args.templates,
                pods=args.incarnations.apply(
                    lambda pods: {g: pods.get(g, []) for g in args.groups}
                ),
                deadline_seconds=args.ready_seconds,
                sends=args.sends,
                replace_foreign=args.replace_foreign,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.status = applications.applications
        self.register_outputs({"status": self.status})


@dataclass(frozen=True, kw_only=True)
class ApiArgs:
    """`ingress` is None if the API has no Ingress."""

    context: str
    service: Spec
    ingress: Spec | None


class Api(pulumi.ComponentResource):
    """The Service of the API and, if configured, its Ingress. Nothing else is exposed."""

    def __init__(
        self, name: str, args: ApiArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:serving:Api", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        service = kubernetes.core.v1.Service(
            name, metadata=_unawaited(args.service), spec=args.service["spec"], opts=child
        )
        if args.ingress is not None:
            kubernetes.networking.v1.Ingress(
                name, metadata=_unawaited(args.ingress), spec=args.ingress["spec"], opts=child
            )
        self._args, self._service = args, service
        self.register_outputs({})

    def address(self, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """host:port, as far as the Service is reachable. Inside the cluster the host is an IP
        address, which works without the cluster's DNS. `opts` are those of the resource that looks
        for the address of a load balancer, and say after what it looks."""
        manifest, service = self._args.service, self._service
        published: pulumi.Input[str] = ""
        if manifest["spec"]["type"] == "LoadBalancer":
            place = manifest["metadata"]
            published = PublishedAddress(
                "api-address",
                PublishedAddressArgs(
                    context=self._args.context,
                    namespace=place["namespace"],
                    service=place["name"],
                    service_uid=service.metadata.uid.apply(str),
                ),
                opts,
            ).host
        known = pulumi.Output.all(
            service.spec.cluster_ip,
            service.spec.ports.apply(lambda ports: ports[0].node_port if ports else None),
            published,
        )
        return known.apply(
            lambda seen: address(manifest, cluster_ip=seen[0], node_port=seen[1], published=seen[2])
        )


def _unawaited(manifest: Spec) -> Spec:
    metadata: Spec = manifest["metadata"]
    return {**metadata, "annotations": {**metadata.get("annotations", {}), **UNAWAITED}}
