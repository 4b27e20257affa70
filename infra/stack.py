"""The whole environment, in the order in which it comes to life."""

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra import outputs
from infra.components.auth import Auth, AuthArgs
from infra.components.downloads import ModelDownload, ModelDownloadArgs
from infra.components.image import ServiceImage, ServiceImageArgs
from infra.components.operator import KubeRayOperator, KubeRayOperatorArgs
from infra.components.platform import ModelCache, ModelCacheArgs, Namespace, NamespaceArgs
from infra.components.ray_cluster import RayCluster, RayClusterArgs, ServiceAccount, hashes_of
from infra.components.ray_service import RayService, RayServiceArgs
from infra.components.serving import Api, Applications, ApplicationsArgs
from infra.configuration import Configuration
from infra.providers.group_order import GroupOrder, GroupOrderArgs


def build(configuration: Configuration, tag: str) -> dict[str, Any]:
    """Declare every resource; the exports. `tag` names the image's push: the stack's name."""
    settings, secrets = configuration.settings, configuration.secrets
    cluster = kubernetes.Provider(
        "cluster",
        context=settings.cluster.context,
        # Another context is another cluster, and nothing else is: a new address is not.
        cluster_identifier=settings.cluster.context,
        # auth-config changes in place: the service reads it anew and no pod restarts.
        enable_secret_mutable=True,
    )

    # First of all: where its check refuses the configuration, nothing else has been touched.
    groups = GroupOrder(
        "gpu-groups",
        GroupOrderArgs(
            context=settings.cluster.context,
            namespace=settings.cluster.namespace,
            cluster=settings.ray.name,
            delivery=settings.serve.delivery,
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
    operator = KubeRayOperator("kuberay-operator", KubeRayOperatorArgs(settings=settings), after())
    namespace = Namespace("namespace", NamespaceArgs(settings=settings), after())
    cache = ModelCache("model-cache", ModelCacheArgs(settings=settings), after(namespace))
    auth = Auth("auth", AuthArgs(settings=settings, secrets=secrets), after(namespace))
    account = ServiceAccount("service-account", settings, after(namespace))
    downloads = [
        ModelDownload(
            f"download-{model.name}",
            ModelDownloadArgs(settings=settings, model=model, image=image.ref),
            after(cache, auth, account),
        )
        for model in settings.models
    ]
    hashes = hashes_of(settings, image.ref)
    api = Api("api", settings, after(namespace))
    status: pulumi.Input[Any] = None
    if settings.serve.delivery == "restApi":
        # The pods come up while the weights are downloaded; only the applications need both.
        ray = RayCluster(
            "ray-cluster",
            RayClusterArgs(settings=settings, image=image.ref, hashes=hashes),
            after(operator, cache, auth, account),
        )
        status = Applications(
            "applications",
            ApplicationsArgs(settings=settings, hashes=hashes, incarnations=ray.incarnations),
            after(ray, *downloads),
        ).status
    else:
        RayService(
            "ray-service",
            RayServiceArgs(settings=settings, image=image.ref, hashes=hashes),
            after(operator, cache, auth, account, *downloads),
        )
    return outputs.of(
        settings,
        image=image.ref,
        api_address=api.address,
        models=status,
        passwords=auth.passwords,
    )
