"""The resource of `infra.providers.crds.provider`."""

import pulumi
from pulumi.dynamic import Resource

from infra.providers.crds.provider import CrdsProvider


class CustomResourceDefinitions(Resource, module="rayline", name="CustomResourceDefinitions"):
    """KubeRay's CRDs of one version in one cluster."""

    def __init__(
        self,
        name: str,
        *,
        context: str,
        version: str,
        source: str,
        keep: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "context": context,
            "version": version,
            "source": source,
            "keep": keep,
            "digests": None,
            "missing": None,
        }
        super().__init__(CrdsProvider(), name, props, opts)
