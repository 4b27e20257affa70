"""The form that all components share, and the deliveries."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any, get_args

import pulumi
import pytest

from infra import components
from infra.components.delivery import DELIVERIES
from infra.settings.serve import Serve


def every() -> Iterator[type[pulumi.ComponentResource]]:
    for module in pkgutil.iter_modules(components.__path__):
        name = f"{components.__name__}.{module.name}"
        for found in vars(importlib.import_module(name)).values():
            if (
                inspect.isclass(found)
                and issubclass(found, pulumi.ComponentResource)
                and found.__module__ == name
            ):
                yield found


@pytest.mark.parametrize("component", list(every()), ids=lambda c: c.__name__)
def test_a_component_takes_its_own_narrow_args(component: Any) -> None:
    signature = inspect.signature(component.__init__)
    assert list(signature.parameters) == ["self", "name", "args", "opts"]
    args = inspect.signature(component.__init__).parameters["args"].annotation
    assert args.__name__ == f"{component.__name__}Args"
    assert args.__module__ == component.__module__
    assert dataclasses.is_dataclass(args)
    assert not [field for field in dataclasses.fields(args) if "StackSettings" in str(field.type)]


def test_each_delivery_of_the_settings_has_its_object() -> None:
    assert set(DELIVERIES) == set(get_args(Serve.model_fields["delivery"].annotation))
