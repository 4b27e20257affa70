"""The whole environment: settings mapped to the Args of components, in order of dependency."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra import outputs
from infra.components import files
from infra.components.auth import Auth, AuthArgs
from infra.components.chart import rendered
from infra.components.control_store import ControlStore, ControlStoreArgs
from infra.components.delivery import DELIVERIES, Prerequisites
from infra.components.disruption_budgets import DisruptionBudgets, DisruptionBudgetsArgs
from infra.components.downloads import ModelDownload, ModelDownloadArgs
from infra.components.image import ServiceImage, ServiceImageArgs
from infra.components.monitoring import Monitoring, MonitoringArgs
from infra.components.network_policies import NetworkPolicies, NetworkPoliciesArgs
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
from infra.components.pull_secret import PullSecret, PullSecretArgs
from infra.components.serving import Api, ApiArgs
from infra.configuration import Configuration
from infra.providers.delivery import RayDelivery, RayDeliveryArgs
from infra.providers.group_order import GroupOrder, GroupOrderArgs
from infra.providers.ownership import DestroyGuard, DestroyGuardArgs, Ownership, OwnershipArgs
from infra.specs import (
    Spec,
    control_store,
    monitoring,
    names,
    operator_chart,
    ownership,
    platform,
    services,
)
from infra.specs.disruption_budgets import disruption_budgets
from infra.specs.download_job import download_job
from infra.specs.network_policies import network_policies
from infra.specs.pod_templates import pod_templates
from infra.specs.pull_secret import pull_secret


def build(configuration: Configuration, tag: str) -> dict[str, Any]:
    """Declares every resource and returns the stack's outputs. `tag` is the pushed image's tag: the
    name of the stack."""
    settings, secrets = configuration.settings, configuration.secrets
    context = settings.cluster.context
    delivery = DELIVERIES[settings.serve.delivery]
    authorities = files.text(settings.network.ca_file)
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
        # So does the list of applications that the head restores; a new ConfigMap would lose what
        # the provider of the applications adds to it.
        enable_config_map_mutable=True,
        opts=pulumi.ResourceOptions(ignore_changes=["clusterIdentifier"]),
    )

    chart = _operator_chart(configuration, cluster)
    # First of all: if a check refuses the configuration, nothing else has been touched.
    owner = Ownership(
        "ownership",
        OwnershipArgs(
            context=context,
            identity=ownership.identity(settings),
            objects=ownership.planned(
                settings, chart, download_secret=_for_downloads(configuration)
            ),
            adopt=settings.cluster.adopt,
        ),
    )
    owned = Owned(owner.stack_id, settings.cluster.adopt)
    checked = pulumi.ResourceOptions(depends_on=[owner])
    chosen = RayDelivery(
        RayDeliveryArgs(
            context=context,
            namespace=settings.cluster.namespace,
            cluster=settings.ray.name,
            delivery=settings.serve.delivery,
        ),
        checked,
    )
    order = GroupOrderArgs(
        context=context,
        namespace=settings.cluster.namespace,
        cluster=settings.ray.name,
        delivery=settings.serve.delivery,
        names=[group.name for group in settings.gpu_groups],
        applied=False,
    )
    groups = GroupOrder(
        "gpu-groups", replace(order, names=once_accepted(chosen, order.names)), checked
    )

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
            network=settings.network,
            proxy_url=secrets.proxy_url,
            authorities=authorities,
            registry_username=secrets.registry_username,
            registry_password=secrets.registry_password,
        ),
        after(),
    )
    namespace = Namespace(
        "namespace",
        NamespaceArgs(
            manifest=platform.namespace(settings) if settings.cluster.create_namespace else None,
        ),
        after(),
    )
    operator = KubeRayOperator(
        "kuberay-operator",
        KubeRayOperatorArgs(
            context=context,
            operator=settings.operator,
            stack=owner.stack_id,
            namespace=operator_chart.namespace(settings, chart),
            objects=chart,
        ),
        after(namespace),
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
            authorities=authorities,
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
    policies = NetworkPolicies(
        "network-policies",
        NetworkPoliciesArgs(manifests=network_policies(settings)),
        after(namespace),
    )
    DisruptionBudgets(
        "disruption-budgets",
        DisruptionBudgetsArgs(manifests=disruption_budgets(settings)),
        after(namespace),
    )
    Monitoring(
        "monitoring", MonitoringArgs(manifests=monitoring.objects(settings)), after(namespace)
    )
    store = ControlStore(
        "ray-store",
        ControlStoreArgs(
            manifest=control_store.claim(settings) if control_store.own_claim(settings) else None
        ),
        # The command that deletes the cluster alone deletes what depends on the delivery.
        after(namespace, chosen),
    )
    downloads = [
        ModelDownload(
            f"download-{model.name}",
            ModelDownloadArgs(
                context=context,
                model=model.name,
                job=download_job(
                    settings, model, image.ref, secret_proxy=secrets.proxy_url is not None
                ),
            ),
            after(cache, auth, pull, account, policies),
        )
        for model in settings.models
    ]
    api = Api(
        "api",
        ApiArgs(
            context=context,
            service=services.api_service(settings),
            ingress=services.ingress(settings) if settings.serve.ingress else None,
        ),
        after(namespace),
    )
    models = delivery.deploy(
        settings,
        pod_templates(settings, image.ref, _when_known, auth.ray_token_version),
        Prerequisites(
            pods=[chosen, operator, cache, store, auth, pull, account, policies],
            downloads=downloads,
            after=after,
            groups=order,
        ),
    )

    # Last, so that a load balancer has had the time of the pods and models to publish an address.
    url: pulumi.Input[str] = outputs.ingress_url(settings) or api.address(
        after(*owned.resources)
    ).apply(lambda address: f"http://{address}")

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

    return {
        "apiUrl": url,
        "apiService": outputs.api_service(settings),
        "dashboard": outputs.dashboard(settings),
        "dashboardToken": outputs.dashboard_token(settings),
        "image": image.ref,
        "models": models,
        "passwords": auth.passwords,
        "curl": pulumi.Output.from_input(url).apply(lambda base: outputs.curl(settings, base)),
    }


def _operator_chart(
    configuration: Configuration, provider: pulumi.ProviderResource
) -> Sequence[Spec]:
    """The objects of the operator's chart; none if the cluster already has an operator."""
    settings = configuration.settings
    if not settings.operator.install:
        return []
    objects = rendered(operator_chart.template(settings), provider, "rayline:operator.chart")
    return operator_chart.resources(objects)


def _when_known(value: Any, function: Callable[[Any], str]) -> pulumi.Output[str]:
    return pulumi.Output.from_input(value).apply(function)


def _for_downloads(configuration: Configuration) -> bool:
    """Whether the Secret of the download Jobs has any content."""
    secrets, network = configuration.secrets, configuration.settings.network
    return any(v is not None for v in (secrets.hub_token, secrets.proxy_url, network.ca_file))


async def once_accepted(resource: pulumi.Resource, value: Any) -> Any:
    """The value, once the engine has created the resource or left it as it is. Unlike an output of
    the resource it makes nobody depend on it: whoever deletes the resource with what depends on it
    deletes only the cluster."""
    await resource.urn.future()
    return value
