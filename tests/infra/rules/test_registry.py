"""Every rule of the package runs, in a documented order."""

import ast
import random
from pathlib import Path
from typing import Any

import pytest

from infra import rules
from infra.rules import registry
from infra.settings import parse
from infra.settings.framework.problems import ConfigurationError
from tests.stacks import committed, complete, edited

FOLDER = Path(rules.__file__).parent


def written() -> list[tuple[str, str]]:
    """Module and name of every decorated function, in the order of files and lines."""
    return [
        (f"infra.rules.{path.stem}", node.name)
        for path in sorted(FOLDER.glob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and "rule" in [ast.unparse(decorator) for decorator in node.decorator_list]
    ]


def test_every_decorated_function_runs_in_the_order_of_files_and_lines() -> None:
    assert [(each.__module__, each.__name__) for each in registry.rules()] == written()
    assert len(written()) > 15


def test_the_order_of_imports_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    shuffled = random.Random(1).sample(registry.rules(), len(registry.rules()))
    before = registry.rules()
    monkeypatch.setattr(registry, "_RULES", shuffled)
    assert registry.rules() == before


def test_every_rule_states_its_purpose() -> None:
    assert [each.__name__ for each in registry.rules() if not each.__doc__] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"models__0__gpuGroup": "absent"},
        {"gpuGroups": []},
        {"auth__users__0__role": "absent"},
        {"models": []},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_no_rule_relies_on_what_another_one_refuses(changes: dict[str, Any]) -> None:
    """With every optional key present, so that every rule has something to look at."""
    whole = edited(complete(committed("prod")), **changes)
    whole["hub"] = {"podTemplate": {"metadata": {"labels": {"a": "b"}}}}
    try:
        settings = parse(whole)
    except ConfigurationError:
        return  # refused before any rule
    assert all(isinstance(problem, rules.Problem) for problem in rules.check(settings))
