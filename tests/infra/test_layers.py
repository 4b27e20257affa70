"""Dependencies inside infra/ point one way, and Pulumi is kept out of what is pure."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
# Part -> the parts of infra/ that it may import.
MAY = {
    "settings": {"settings"},
    "facts": {"facts", "settings"},
    "specs": {"settings", "specs"},
    "rules": {"facts", "settings", "rules"},
    "configuration": {"settings"},
    "providers": {"providers", "settings"},
    "components": {"components", "settings", "specs", "configuration", "providers"},
    "outputs": {"settings", "specs"},
    "stack": {"components", "configuration", "outputs", "providers", "specs"},
}
PURE = ("settings", "specs", "rules", "facts")


def imported(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(part: str) -> list[Path]:
    return (
        [INFRA / f"{part}.py"]
        if (INFRA / f"{part}.py").exists()
        else [*(INFRA / part).rglob("*.py")]
    )


def test_every_part_has_its_place() -> None:
    found = {path.stem for path in INFRA.iterdir() if path.name[0] != "_"}
    assert found == set(MAY)


@pytest.mark.parametrize("part", MAY)
def test_imports_point_one_way(part: str) -> None:
    used = {
        name.split(".")[1]
        for path in files(part)
        for name in imported(path)
        if name.startswith("infra.")
    }
    assert used <= MAY[part]


@pytest.mark.parametrize("part", PURE)
def test_pure_parts_know_no_pulumi(part: str) -> None:
    used = {name.split(".")[0] for path in files(part) for name in imported(path)}
    assert not {name for name in used if name.startswith("pulumi")}


def test_one_file_reads_the_configuration() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in [*INFRA.rglob("*.py"), ROOT / "__main__.py"]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute | ast.ImportFrom)
        and ast.unparse(node)
        in ("pulumi.Config", "from pulumi.runtime import config as pulumi_config")
    }
    assert readers == {"infra/configuration.py"}
