"""Advice on CPU and memory of head and GPU groups."""

from typing import Literal

from infra.settings.framework.problems import key_path, set_command
from infra.settings.gpu_groups import GpuGroup
from infra.settings.ray import Head


def set_resource(
    owner: Head | GpuGroup,
    location: tuple[str | int, ...],
    field: Literal["requests", "limits"],
    name: Literal["cpu", "memory"],
    value: object,
) -> str:
    """The commands that set one resource of `owner`. If the stack does not set `field`, they set
    the other resource as well, to its default: both are required once one is set."""
    commands = [set_command(key_path(*location, field, name), value)]
    if field not in owner.model_fields_set:
        other = "memory" if name == "cpu" else "cpu"
        default = getattr(getattr(owner, field), other)
        commands.append(set_command(key_path(*location, field, other), default))
    return ", then: ".join(commands)
