"""Every example of some how-to pages breaks no rule, and a real API server accepts its objects."""

import copy
import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from infra import rules
from infra.settings import parse
from tests.apiserver.server import ApiServer
from tests.infra.validation.dry_run import DryRun
from tests.stacks import EXAMPLE, ROOT

PAGES = ("adapt-pods", "expose-the-api", "network-policies")
FOLDER = ROOT / "docs/how-to"
# Objects that the page says must exist.
CLASSES: list[dict[str, Any]] = [
    {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "nvidia"},
    {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1000},
    {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": -1},
]
NAMES = ("nvidia", "serving", "background")


def examples() -> list[Any]:
    found = []
    for page in PAGES:
        text = (FOLDER / f"{page}.md").read_text()
        blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for number, block in enumerate(blocks):
            config = {k.removeprefix("rayline:"): v for k, v in yaml.safe_load(block).items()}
            found.append(pytest.param(config, id=f"{page}-{number}-{'-'.join(config)}"))
    return found


def merged(whole: Any, part: Any) -> Any:
    """A copy with a part merged in; the items of a list change those at the same positions."""
    if isinstance(whole, Mapping) and isinstance(part, Mapping):
        return {**whole, **{key: merged(whole.get(key), value) for key, value in part.items()}}
    if isinstance(whole, list) and isinstance(part, list):
        return [*(merged(w, p) for w, p in zip(whole, part, strict=False)), *whole[len(part) :]]
    return copy.deepcopy(part)


@pytest.mark.parametrize("config", examples())
def test_an_example_breaks_no_rule(config: dict[str, Any]) -> None:
    settings = parse(merged(EXAMPLE, config))
    assert [each for each in rules.check(settings) if each.severity == "error"] == []
    assert settings != parse(EXAMPLE)


@pytest.fixture(scope="module")
def _classes(api_server: ApiServer) -> Any:
    made = [{**each, "metadata": {"name": n}} for each, n in zip(CLASSES, NAMES, strict=True)]
    for each in made:
        api_server.create(each)
    yield
    for each in made:
        api_server.delete(each)


@pytest.mark.apiserver
@pytest.mark.usefixtures("_classes")
@pytest.mark.parametrize("config", examples())
def test_a_real_api_server_accepts_an_example(config: dict[str, Any], dry_run: DryRun) -> None:
    assert dry_run.refusals(parse(merged(EXAMPLE, config))) == []
