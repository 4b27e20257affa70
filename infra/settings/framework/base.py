"""What every part of the configuration shares: strictness, key spelling, and small types."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from infra.settings.framework.quantities import Quantity


class Settings(BaseModel):
    """A frozen part of the configuration. Keys are written in camelCase; unknown keys are refused.

    A field's docstring is its description in docs/configuration.md and in the editors' schema.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        str_strip_whitespace=True,
        # `pulumi config set --path` writes 1 as a number even where text is expected, as in env.
        coerce_numbers_to_str=True,
        # Pulumi's JSON may contain Infinity and NaN, but no key can be either.
        allow_inf_nan=False,
    )


# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
DnsLabel = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Seconds = Annotated[int, Field(gt=0)]


class Resources(Settings):
    """CPU and memory of a container."""

    cpu: Quantity
    """CPU cores, for example 8 or 500m."""
    memory: Quantity
    """Memory in bytes, for example 24G or 24Gi."""


class Toleration(Settings):
    """A taint that the pods tolerate."""

    key: str
    """Key of the taint."""
    value: str | None = None
    """Value of the taint; absent: any value."""
    effect: str = Field("NoSchedule", pattern="^(NoSchedule|PreferNoSchedule|NoExecute)$")
    """NoSchedule, PreferNoSchedule or NoExecute."""
