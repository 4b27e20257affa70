"""The stack configuration as a typed, frozen whole. Imports no Pulumi: see infra.configuration."""

from infra.settings.auth import Auth
from infra.settings.base import Settings
from infra.settings.models import Hub, Model, Serve, Timeouts
from infra.settings.platform import Cluster, Image, Operator, Storage
from infra.settings.ray import GpuGroup, Ray


class StackSettings(Settings):
    """Everything of one environment but its secrets. Each field is one key, `rayline:<field>`."""

    cluster: Cluster
    """The Kubernetes cluster and our place in it."""
    image: Image
    """The image of head and workers."""
    storage: Storage = Storage()
    """The model cache."""
    operator: Operator = Operator()
    """The KubeRay operator."""
    ray: Ray = Ray()
    """The RayCluster as a whole."""
    gpu_groups: tuple[GpuGroup, ...]
    """Worker groups, one for each kind of card."""
    hub: Hub = Hub()
    """Where weights are downloaded from."""
    models: tuple[Model, ...]
    """What is served. Swapping a model is an edit of one line here."""
    auth: Auth
    """Users, roles and tokens."""
    serve: Serve = Serve()
    """Serve applications and the API's way out of the cluster."""
    timeouts: Timeouts = Timeouts()
    """How long `pulumi up` waits."""

    def group(self, name: str) -> GpuGroup:
        """The group of that name; KeyError when there is none (infra.rules refuses that before)."""
        return {group.name: group for group in self.gpu_groups}[name]
