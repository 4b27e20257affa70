"""What everything else lies in: the namespace, and the claim of the model cache."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.settings import StackSettings
from infra.specs import names


@dataclass(frozen=True, kw_only=True)
class NamespaceArgs:
    settings: StackSettings


class Namespace(pulumi.ComponentResource):
    """The namespace, unless it is someone else's."""

    def __init__(
        self, name: str, args: NamespaceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:Namespace", name, None, opts)
        cluster = args.settings.cluster
        if cluster.create_namespace:
            kubernetes.core.v1.Namespace(
                name,
                metadata={
                    "name": cluster.namespace,
                    "labels": names.managed_labels(args.settings),
                },
                opts=pulumi.ResourceOptions(
                    parent=self,
                    # A claim that stays needs its namespace: deleting that deletes all in it.
                    retain_on_delete=args.settings.storage.protect,
                ),
            )
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class ModelCacheArgs:
    settings: StackSettings


class ModelCache(pulumi.ComponentResource):
    """The claim that all Ray pods and download Jobs share; nothing is made where it exists."""

    def __init__(
        self, name: str, args: ModelCacheArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:ModelCache", name, None, opts)
        storage = args.settings.storage
        if not storage.existing:
            kubernetes.core.v1.PersistentVolumeClaim(
                name,
                metadata={
                    "name": storage.claim,
                    "namespace": args.settings.cluster.namespace,
                    "labels": names.managed_labels(args.settings),
                    # Bound when the first pod comes, in classes that wait for one.
                    "annotations": {"pulumi.com/skipAwait": "true"},
                },
                spec={
                    "accessModes": ["ReadWriteMany"],
                    "storageClassName": storage.storage_class,
                    "resources": {"requests": {"storage": storage.size}},
                },
                opts=pulumi.ResourceOptions(
                    parent=self,
                    # Kept on destroy. Not `protect` of Pulumi's, which would refuse the destroy of
                    # all the rest as well.
                    retain_on_delete=storage.protect,
                ),
            )
        self.register_outputs({})
