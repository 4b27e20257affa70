"""What every part of the configuration shares: strictness, key spelling, and small types."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

from infra.settings.framework.grammar import LabelValue, TaintKey
from infra.settings.framework.quantities import Cpu, Size


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
        # Pulumi's JSON may contain Infinity and NaN, but no key can be either.
        allow_inf_nan=False,
    )


class Resources(Settings):
    """CPU and memory of a container."""

    cpu: Cpu
    """CPU cores, for example 8 or 500m."""
    memory: Size
    """Memory in bytes, for example 24G or 24Gi."""


class Toleration(Settings):
    """A taint that the pods tolerate."""

    key: TaintKey
    """Key of the taint; empty: every taint."""
    value: LabelValue | None = None
    """Value of the taint; absent: any value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"
    """NoSchedule, PreferNoSchedule or NoExecute."""

    @model_validator(mode="after")
    def _value_of_a_key(self) -> Self:
        # https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
        if not self.key and self.value is not None:
            raise ValueError("a value needs a key, because an empty key means every taint")
        return self
