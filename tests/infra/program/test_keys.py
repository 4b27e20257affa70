"""Every key of the configuration reaches a resource or an output, except those of the checks."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.settings import SCHEMA
from tests import stacks
from tests.infra.program.harness import Program, run_values
from tests.stacks import Location, committed, complete, different, leaves, locations

# Every optional part of the configuration is in use, so that no key is without effect.
EVERYTHING = complete(
    committed(
        "prod",
        image__createPullSecret=True,
        monitoring={"scrape": "podMonitor", "alerts": True, "dashboards": True},
    )
)
CHECKED_ONLY = {
    ("gpuGroups", 0, "gpu", "model"),
    ("gpuGroups", 0, "gpu", "memoryGib"),
    ("models", 0, "weightsGib"),
    ("models", 0, "kvKibPerToken"),
}
# For image.createPullSecret.
SECRETS = {"registryUsername": "me", "registryPassword": "canary"}
REF = "registry.example.com/llm@sha256:" + "2" * 64


FILE = str(Path(__file__))
CHOSEN: dict[Location, dict[str, Any]] = {
    ("models", 0, "gpuGroup"): {"models__0__gpuGroup": "rtx-3060"},
    ("gpuGroups", 0, "name"): {"gpuGroups__0__name": "other", "models__0__gpuGroup": "other"},
    ("ray", "head", "evictable"): {"ray__head__evictable": False},
    ("image", "pipConfig"): {"image__pipConfig": FILE},
    ("network", "caFile"): {"network__caFile": FILE},
}
"""Edits of keys that only some values suit."""


def edited(key: Location) -> dict[str, Any]:
    """The configuration with another value of the key."""
    if key == ("image", "ref"):
        return {**EVERYTHING, "image": {"ref": REF}}
    return stacks.edited(EVERYTHING, **CHOSEN[key]) if key in CHOSEN else different(EVERYTHING, key)


def declared(program: Program) -> Any:
    """Without the dependencies, whose order differs from run to run."""
    return program.outputs, {
        key: (resource.inputs, [v for k, v in resource.options.items() if "ependencies" not in k])
        for key, resource in program.custom.items()
    }


@cache
def before() -> Program:
    return run_values(EVERYTHING, SECRETS)


@pytest.mark.parametrize("key", leaves(), ids=str)
def test_a_key_reaches_a_resource_or_an_output(key: Location) -> None:
    reaches = declared(run_values(edited(key), SECRETS)) != declared(before())
    assert reaches is (key not in CHECKED_ONLY)


def test_the_leaves_are_all_keys_without_keys_inside() -> None:
    inner = {
        here[:length] for here in locations() for length in range(1, len(here)) if here[length - 1]
    }
    assert not inner & set(leaves())
    assert {key[0] for key in leaves()} == set(SCHEMA.keys_at(()))
