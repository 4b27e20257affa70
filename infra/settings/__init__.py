"""The stack configuration as one typed, frozen value: one module per key, `rayline:<key>`.

What the keys have in common (types, messages, parser, reference) is in `framework`. Nothing here
imports Pulumi; infra.configuration reads the values. A new key is a module here and a field of
StackSettings; `python -m infra.settings.reference` then writes the documents and Pulumi.yaml.
"""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import Field

from infra.settings.api import Api
from infra.settings.auth import Auth
from infra.settings.cluster import Cluster
from infra.settings.framework import parse as _parse
from infra.settings.framework.base import Settings
from infra.settings.framework.schema import Schema
from infra.settings.gpu_groups import GpuGroup
from infra.settings.hub import Hub
from infra.settings.image import Image
from infra.settings.models import Model
from infra.settings.monitoring import Monitoring
from infra.settings.network import Network
from infra.settings.operator import Operator
from infra.settings.ray import Ray
from infra.settings.secret_keys import SECRET_KEYS
from infra.settings.serve import Serve
from infra.settings.storage import Storage
from infra.settings.timeouts import Timeouts


class StackSettings(Settings):
    """One environment, except for its secrets. Each field is a key `rayline:<field>`."""

    cluster: Cluster
    """The Kubernetes cluster and rayline's place in it."""
    image: Image
    """The image that head and workers run."""
    storage: Storage = Storage()
    """The model cache."""
    operator: Operator = Operator()
    """The KubeRay operator."""
    ray: Ray = Ray()
    """The RayCluster as a whole."""
    gpu_groups: tuple[GpuGroup, ...] = Field(max_length=100)
    """The GPU groups, one per kind of card."""
    hub: Hub = Hub()
    """Where weights are downloaded from, and where the Jobs that do it run."""
    network: Network = Network()
    """Proxies and certificates of the network around the cluster."""
    models: tuple[Model, ...] = Field(max_length=100)
    """The models to serve. Swapping a model means editing one line here."""
    auth: Auth
    """Users, roles and tokens."""
    api: Api = Api()
    """Bounds on every request, whatever the caller's role."""
    monitoring: Monitoring = Monitoring()
    """How the metrics of the stack are found."""
    serve: Serve = Serve()
    """How the Serve applications are deployed, and how clients reach the API."""
    timeouts: Timeouts = Timeouts()
    """How long `pulumi up` waits."""

    def group(self, name: str) -> GpuGroup:
        """The GPU group of that name. KeyError if there is none, which infra.rules refuses."""
        return {group.name: group for group in self.gpu_groups}[name]


SCHEMA = Schema(StackSettings)
"""What each key may contain."""


def parse(values: Mapping[str, Any], encrypted: Collection[str] = ()) -> StackSettings:
    """The settings; ConfigurationError with every problem if they are wrong.

    `values` are by key without `rayline:`; `encrypted` names those that contain a secret anywhere,
    whose values are then not repeated in messages. Keys are accepted in camelCase only.
    """
    return _parse.parse(StackSettings, SCHEMA, values, SECRET_KEYS, encrypted)
