"""Resources that everything else needs: namespace, claim of the model cache, service account."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.specs import Spec


@dataclass(frozen=True, kw_only=True)
class NamespaceArgs:
    """`manifest` is None if the namespace exists and is managed elsewhere."""

    manifest: Spec | None


class Namespace(pulumi.ComponentResource):
    """The project's namespace. Pulumi never deletes it, because that would delete all that others
    keep in it; Ownership does, if nothing is left."""

    def __init__(
        self, name: str, args: NamespaceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:Namespace", name, None, opts)
        if args.manifest is not None:
            kubernetes.core.v1.Namespace(
                name,
                metadata=args.manifest["metadata"],
                opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
            )
        self.register_outputs({})


def declare_claim(name: str, manifest: Spec, opts: pulumi.ResourceOptions) -> None:
    """Declare a PersistentVolumeClaim, without waiting until it is bound."""
    kubernetes.core.v1.PersistentVolumeClaim(
        name,
        metadata={
            **manifest["metadata"],
            # Some storage classes bind a claim only when its first pod is scheduled.
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        spec=manifest["spec"],
        opts=opts,
    )


@dataclass(frozen=True, kw_only=True)
class ModelCacheArgs:
    """`manifest` is None if the claim exists already. `keep`: it outlives the stack."""

    manifest: Spec | None
    keep: bool


class ModelCache(pulumi.ComponentResource):
    """The claim that all Ray pods and download Jobs share."""

    def __init__(
        self, name: str, args: ModelCacheArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:ModelCache", name, None, opts)
        if args.manifest is not None:
            # Not Pulumi's `protect`, which would refuse to destroy everything else too.
            options = pulumi.ResourceOptions(parent=self, retain_on_delete=args.keep)
            declare_claim(name, args.manifest, options)
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class ServiceAccountArgs:
    """`manifest` of the service account."""

    manifest: Spec


class ServiceAccount(pulumi.ComponentResource):
    """The account of Ray pods and download Jobs, without any rights."""

    def __init__(
        self, name: str, args: ServiceAccountArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:ray:ServiceAccount", name, None, opts)
        kubernetes.core.v1.ServiceAccount(
            name,
            metadata=args.manifest["metadata"],
            automount_service_account_token=args.manifest["automountServiceAccountToken"],
            image_pull_secrets=args.manifest.get("imagePullSecrets"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
