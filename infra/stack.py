"""The whole environment: settings mapped to the Args of components, in order of dependency."""

from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra import outputs
from infra.components.auth import Auth, AuthArgs
from infra.components.delivery import DELIVERIES, Prerequisites
from infra.components.downloads import ModelDownload, ModelDownloadArgs
from infra.components.image import ServiceImage, ServiceImageArgs
from infra.components.operator import KubeRayOperator, KubeRayOperatorArgs
from infra.components.owned import Owned
from infra.components.platform import (
    ModelCache,
    ModelCacheArgs,
    Namespace,
    NamespaceArgs,
    ServiceAccount,
    ServiceAccountArgs,
)
from infra.components.serving import Api, ApiArgs
from infra.configuration import Configuration
from infra.providers.group_order import GroupOrder, GroupOrderArgs
from infra.providers.ownership import DestroyGuard, DestroyGuardArgs, Ownership, OwnershipArgs
from infra.specs import names, ownership, platform, services
from infra.specs.download_job import download_job
from infra.specs.pod_templates import pod_templates


def build(configuration: Configuration, tag: str) -> dict[str, Any]:
    """Declares every resource and returns the stack's outputs. `tag` is the pushed image's tag: the
    name of the stack."""
    settings, secrets = configuration.settings, configuration.secrets
    context = settings.cluster.context
    delivery = DELIVERIES[settings.serve.delivery]
    cluster = kubernetes.Provider(
        "cluster",
        context=context,
        # Not the path in KUBECONFIG, which the SDK would keep in the state: a destroy would use it,
        # while the plug-in, which reads the variable, may use another one.
        kubeconfig="",
        # With an identifier that never changes, neither a renamed context nor a new address
        # replaces anything: Ownership refuses another cluster. Stacks of rayline 0.1 have the name
        # of their context as the identifier, and keep it.
        cluster_identifier="rayline",
        # auth-config changes in place: the service reloads it, and no pod restarts.
        enable_secret_mutable=True,
        opts=pulumi.ResourceOptions(ignore_changes=["clusterIdentifier"]),
    )

    # First of all: if a check refuses the configuration, nothing else has been touched.
    owner = Ownership(
        "ownership",
        OwnershipArgs(
            context=context,
            identity=ownership.identity(settings),
            objects=ownership.planned(settings, hub_token=secrets.hub_token is not None),
            adopt=settings.cluster.adopt,
        ),
    )
    groups = GroupOrder(
        "gpu-groups",
        GroupOrderArgs(
            context=context,
            namespace=settings.cluster.namespace,
            cluster=settings.ray.name,
            delivery=settings.serve.delivery,
            removes_disabled=delivery.removes_disabled_groups,
            names=[group.name for group in settings.gpu_groups],
            disabled=[group.name for group in settings.gpu_groups if not group.enabled],
        ),
        pulumi.ResourceOptions(depends_on=[owner]),
    )
    owned = Owned(owner.stack_id, settings.cluster.adopt, ownership.RELEASE)

    def after(*needed: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            providers={"kubernetes": cluster},
            depends_on=[owner, groups, *needed],
            transformations=[owned],
        )

    image = ServiceImage(
        "image",
        ServiceImageArgs(
            image=settings.image,
            tag=tag,
            registry_username=secrets.registry_username,
            registry_password=secrets.registry_password,
        ),
        after(),
    )
    operator = KubeRayOperator(
        "kuberay-operator",
        KubeRayOperatorArgs(context=context, operator=settings.operator, stack=owner.stack_id),
        after(),
    )
    namespace = Namespace(
        "namespace",
        NamespaceArgs(
            manifest=platform.namespace(settings) if settings.cluster.create_namespace else None,
        ),
        after(),
    )
    cache = ModelCache(
        "model-cache",
        ModelCacheArgs(
            manifest=None if settings.storage.existing else platform.cache_claim(settings),
            keep=settings.storage.protect,
        ),
        after(namespace),
    )
    auth = Auth(
        "auth",
        AuthArgs(
            auth=settings.auth,
            secrets=secrets,
            namespace=settings.cluster.namespace,
            labels=names.managed_labels(settings),
            ray_token_secret=names.ray_token_secret(settings),
            hub_token_secret=names.hub_token_secret(settings),
        ),
        after(namespace),
    )
    account = ServiceAccount(
        "service-account",
        ServiceAccountArgs(manifest=platform.service_account(settings)),
        after(namespace),
    )
    downloads = [
        ModelDownload(
            f"download-{model.name}",
            ModelDownloadArgs(
                context=context,
                model=model.name,
                job=download_job(settings, model, image.ref),
            ),
            after(cache, auth, account),
        )
        for model in settings.models
    ]
    api = Api(
        "api",
        ApiArgs(
            service=services.api_service(settings, delivery.head_labels),
            ingress=services.ingress(settings) if settings.serve.ingress else None,
        ),
        after(namespace),
    )
    models = delivery.deploy(
        settings,
        pod_templates(settings, image.ref, _when_known),
        Prerequisites(pods=[operator, cache, auth, account], downloads=downloads, after=after),
    )

    # Last of all, so that a destroy deletes it first.
    DestroyGuard(
        "destroy-guard",
        DestroyGuardArgs(
            context=context,
            cluster_uid=owner.cluster_uid,
            stack_id=owner.stack_id,
            operator=settings.operator.install,
        ),
        pulumi.ResourceOptions(depends_on=[cluster, *owned.resources]),
    )

    url: pulumi.Input[str] = outputs.ingress_url(settings) or api.address.apply(
        lambda address: f"http://{address}"
    )
    return {
        "apiUrl": url,
        "apiService": outputs.api_service(settings),
        "dashboard": outputs.dashboard(settings),
        "image": image.ref,
        "models": models,
        "passwords": auth.passwords,
        "curl": pulumi.Output.from_input(url).apply(lambda base: outputs.curl(settings, base)),
    }


def _when_known(value: Any, function: Callable[[Any], str]) -> pulumi.Output[str]:
    return pulumi.Output.from_input(value).apply(function)
