"""PublishedAddress: the address that a load balancer has published for the API's Service.

A load balancer publishes it seconds or minutes after the Service was created, or never where the
cluster has none. The Service's own outputs would then lack it until a `pulumi up --refresh`.
"""

from dataclasses import dataclass

import pulumi

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.call import Call
from infra.providers.common.properties import Props, differing, only
from infra.providers.common.provider import Created, Diff, Live, Provider

TYPE = "rayline:index:PublishedAddress"
INPUTS = ("context", "namespace", "service", "service_uid")
HOST = "host"


@dataclass(frozen=True, kw_only=True)
class PublishedAddressArgs:
    """A Service of type LoadBalancer."""

    context: str
    namespace: str
    service: str
    service_uid: pulumi.Input[str]
    """Changes when the Service is made anew, and its address with it."""


class PublishedAddress(pulumi.CustomResource):
    """Creates nothing. While there is no address, every `up` looks again."""

    host: pulumi.Output[str]
    """IP address or host name; empty as long as none is published."""

    def __init__(
        self, name: str, args: PublishedAddressArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(TYPE, name, {**vars(args), HOST: None}, opts)


class PublishedAddressProvider(Provider):
    """Looks once. It does not wait: an `up` must not take longer where none is published."""

    type = TYPE
    outputs = (HOST,)

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        return Diff(bool(differing(olds, news, INPUTS)) or not olds.get(HOST))

    def create(self, call: Call, props: Props) -> Created:
        return Created(props["service_uid"], _looked_up(call, props))

    def update(self, call: Call, _id: str, _olds: Props, news: Props) -> Props:
        return _looked_up(call, news)

    def read(self, call: Call, _id: str, props: Props) -> Live | None:
        try:
            return Live(_looked_up(call, props))
        except KubeError as error:
            if error.status == 404:
                return None
            raise


def _looked_up(call: Call, props: Props) -> Props:
    """KubeError if the Service cannot be read."""
    path = f"/api/v1/namespaces/{props['namespace']}/services/{props['service']}"
    with KubeClient(props["context"], call.run) as kube:
        status = kube.get(path).get("status") or {}
    balancer = status.get("loadBalancer") or {}
    published = (each.get("ip") or each.get("hostname") for each in balancer.get("ingress") or ())
    return {**only(props, INPUTS), HOST: next(filter(None, published), "")}
