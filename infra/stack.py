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
from infra.components.platform import (
    ModelCache,
    ModelCacheArgs,
    Namespace,
    NamespaceArgs,
    ServiceAccount,
    ServiceAccountArgs,
)
from infra.components.pull_secret import PullSecret, PullSecretArgs
from infra.components.serving import Api, ApiArgs
from infra.configuration import Configuration
from infra.providers.group_order import GroupOrder, GroupOrderArgs
from infra.specs import names, platform, services
from infra.specs.download_job import download_job
from infra.specs.pod_templates import pod_templates
from infra.specs.pull_secret import pull_secret


def build(configuration: Configuration, tag: str) -> dict[str, Any]:
    """Declares every resource and returns the stack's outputs. `tag` is the pushed image's tag: the
    name of the stack."""
    settings, secrets = configuration.settings, configuration.secrets
    context = settings.cluster.context
    delivery = DELIVERIES[settings.serve.delivery]
    cluster = kubernetes.Provider(
        "cluster",
        context=context,
        # A different context is a different cluster. A different address is not.
        cluster_identifier=context,
        # auth-config changes in place: the service reloads it, and no pod restarts.
        enable_secret_mutable=True,
    )

    # First of all: if its check refuses the configuration, nothing else has been touched.
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
    )

    def after(*needed: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            providers={"kubernetes": cluster}, depends_on=[groups, *needed]
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
        KubeRayOperatorArgs(context=context, operator=settings.operator),
        after(),
    )
    namespace = Namespace(
        "namespace",
        NamespaceArgs(
            manifest=platform.namespace(settings) if settings.cluster.create_namespace else None,
            # The claim needs its namespace: deleting that deletes everything in it.
            keep=settings.storage.protect,
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
    pull = PullSecret(
        "pull-secret",
        PullSecretArgs(
            manifest=pull_secret(settings) if settings.image.create_pull_secret else None,
            registry=settings.image.registry,
            username=secrets.pull_username or secrets.registry_username,
            password=secrets.pull_password or secrets.registry_password,
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
            after(cache, auth, pull, account),
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
        Prerequisites(
            pods=[operator, cache, auth, pull, account], downloads=downloads, after=after
        ),
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
