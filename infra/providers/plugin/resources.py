"""The resources of the plug-in. A new one is added here, and nowhere else in this folder."""

from infra.providers.applications.provider import ServeApplicationsProvider
from infra.providers.common.provider import Provider
from infra.providers.crds import KubeRayCrdsProvider
from infra.providers.delivery import RayDeliveryProvider
from infra.providers.download.provider import DownloadJobProvider
from infra.providers.group_order import GroupOrderProvider
from infra.providers.ownership.guard import DestroyGuardProvider
from infra.providers.ownership.provider import OwnershipProvider
from infra.providers.published_address import PublishedAddressProvider
from infra.providers.random_secret import RandomSecretProvider
from infra.providers.rollout.provider import PodRolloutProvider
from infra.providers.secret_version import SecretVersionProvider

PROVIDERS: tuple[Provider, ...] = (
    DestroyGuardProvider(),
    DownloadJobProvider(),
    GroupOrderProvider(),
    KubeRayCrdsProvider(),
    OwnershipProvider(),
    PodRolloutProvider(),
    PublishedAddressProvider(),
    RandomSecretProvider(),
    RayDeliveryProvider(),
    SecretVersionProvider(),
    ServeApplicationsProvider(),
)
