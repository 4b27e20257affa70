"""The stacks in examples/: current key names, no broken rule, and every Kubernetes object."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from infra import rules
from infra.settings import StackSettings
from tests.infra import golden
from tests.infra.specs import schemas

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("Pulumi.*.yaml"))
NAMES = [path.name.split(".")[1] for path in EXAMPLES]


def whole(name: str) -> Any:
    return yaml.safe_load((ROOT / "examples" / f"Pulumi.{name}.yaml").read_text())


def stack(name: str) -> StackSettings:
    config = whole(name)["config"].items()
    return StackSettings.model_validate({k.removeprefix("rayline:"): v for k, v in config})


def test_the_readme_lists_every_example() -> None:
    text = (ROOT / "examples/README.md").read_text()
    assert NAMES == ["deckhouse", "gitlab", "one-card-k3s", "two-kinds-kubeadm", "two-models"]
    for path in EXAMPLES:
        assert f"[{path.name}]({path.name})" in text


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_current_keys_only(name: str) -> None:
    schema = json.loads((ROOT / "docs/configuration.schema.json").read_text())
    jsonschema.validate(whole(name), schema)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_breaks_no_rule_and_causes_no_warning(name: str) -> None:
    settings = stack(name)
    found = rules.require(settings, rules.gather(settings, environ={"HF_HUB_CACHE": "/none"}))
    assert [problem for problem in found if problem.severity != "hint"] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_example_makes_objects_that_kuberay_accepts(name: str) -> None:
    objects = golden.objects(stack(name))
    assert schemas.problems("RayCluster", objects["ray-cluster.yaml"]["spec"]) == []
    assert schemas.problems("RayService", objects["ray-service.yaml"]["spec"]) == []


def test_the_deckhouse_example_is_the_production_stack() -> None:
    assert whole("deckhouse") == yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())
