"""What every part of the stack configuration shares: strictness, spelling, and small types."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel


class Settings(BaseModel):
    """A frozen part of the configuration. Keys are written in camelCase; unknown ones are refused.

    A field's docstring is its description in docs/configuration.md and in the editors' schema.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        str_strip_whitespace=True,
        # `pulumi config set --path` writes 1 as a number, also where a text is meant, as in env.
        coerce_numbers_to_str=True,
    )


# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
DnsLabel = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
]
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
"""An amount as Kubernetes writes it: 500m, 2, 8Gi."""
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Seconds = Annotated[int, Field(gt=0)]


class Resources(Settings):
    """CPU and memory of a container."""

    cpu: Quantity
    """Cores, such as 8 or 500m."""
    memory: Quantity
    """Bytes, such as 24G or 24Gi."""


class Toleration(Settings):
    """A taint that the pods accept."""

    key: str
    """The taint's key."""
    value: str | None = None
    """The taint's value; absent: any value."""
    effect: str = Field("NoSchedule", pattern="^(NoSchedule|PreferNoSchedule|NoExecute)$")
    """NoSchedule, PreferNoSchedule or NoExecute."""
