"""Types of the keys that adapt pods: templates, and variables from Secrets."""

from typing import Annotated, Any

from pydantic import Field, JsonValue

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import Annotations, EnvName, Labels, ObjectName
from infra.settings.framework.text import Text


class PodMetadata(Settings):
    """Labels and annotations of pods. Everything else in the metadata belongs to KubeRay."""

    labels: Labels = Field({})
    """Further labels."""
    annotations: Annotations = Field({})
    """Further annotations."""


class PodTemplate(Settings):
    """A part of a Kubernetes PodTemplateSpec, merged under rayline's own template
    (docs/how-to/adapt-pods.md)."""

    metadata: PodMetadata = PodMetadata()
    """Labels and annotations of pods. Everything else in the metadata belongs to KubeRay."""
    spec: dict[str, JsonValue] = Field({})
    """A part of a Kubernetes PodSpec."""

    @property
    def partial(self) -> dict[str, Any]:
        """The template as a manifest, without what is empty."""
        metadata = {
            name: dict(values)
            for name, values in (
                ("labels", self.metadata.labels),
                ("annotations", self.metadata.annotations),
            )
            if values
        }
        return {
            **({"metadata": metadata} if metadata else {}),
            **({"spec": self.spec} if self.spec else {}),
        }


# IsConfigMapKey in https://github.com/kubernetes/apimachinery/blob/v0.34.3/pkg/util/validation
SecretDataKey = Annotated[
    str, Text(r"(?!\.\.)[-._a-zA-Z0-9]+", "made of letters, digits, -, _ and .", "<key>", 253)
]


class SecretKeyRef(Settings):
    """A value in an existing Secret of the project's namespace."""

    secret: ObjectName
    """Name of the Secret."""
    key: SecretDataKey
    """Key of the value in the Secret."""


SecretEnv = dict[EnvName, SecretKeyRef]
"""Variables by name, whose values are in Secrets."""
