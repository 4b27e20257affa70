"""A real API server accepts every object of every committed stack and example."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings import parse
from infra.settings.secret_keys import SECRET_KEYS
from tests.infra.validation.dry_run import DryRun
from tests.stacks import ROOT, complete, values

pytestmark = pytest.mark.apiserver
FILES = [
    ROOT / "Pulumi.dev.yaml",
    ROOT / "Pulumi.prod.yaml",
    *sorted(ROOT.glob("examples/**/*.yaml")),
]


def plain(path: Path) -> dict[str, Any]:
    config = yaml.safe_load(path.read_text())["config"]
    found = {key.removeprefix("rayline:"): value for key, value in config.items()}
    return {key: value for key, value in found.items() if key not in SECRET_KEYS}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_object_is_accepted(path: Path, dry_run: DryRun) -> None:
    assert dry_run.refusals(parse(plain(path))) == []


@pytest.mark.parametrize("delivery", ["restApi", "rayService"])
def test_every_optional_part_is_accepted(delivery: str, dry_run: DryRun) -> None:
    everything = complete(values(serve__delivery=delivery, storage__fixPermissions=True))
    assert dry_run.refusals(parse(everything)) == []
