"""Pulumi's configuration has one reader, which no import contract in pyproject.toml can check."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
INFRA = ROOT / "infra"


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
