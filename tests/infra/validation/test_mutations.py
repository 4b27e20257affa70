"""Random mistakes: no traceback, nothing accepted that Kubernetes refuses, only advice that helps.

`RAYLINE_MUTATIONS=2500` runs more of them than the default.
"""

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import infra
from infra.settings.framework import problems as module
from infra.settings.framework.problems import Problem
from tests.infra.validation.dry_run import DryRun
from tests.infra.validation.judged import judged, useless_advice
from tests.infra.validation.mutations import TRAPS, mutation

COUNT = int(os.environ.get("RAYLINE_MUTATIONS", "300"))
FOLDER = Path(infra.__file__).parent
SOURCES = [
    *sorted((FOLDER / "rules").rglob("*.py")),
    FOLDER / "settings/raw.py",
    FOLDER / "settings/framework/parse.py",
]
Place = tuple[str, int]


@pytest.fixture(scope="module")
def reached() -> Iterator[set[Place]]:
    """The calls of `error` and `warning` that made a problem."""
    found: set[Place] = set()
    make = Problem.__init__

    def recorded(self: Problem, *arguments: object, **more: object) -> None:
        frame = sys._getframe(1)
        while frame.f_code.co_filename == module.__file__ and frame.f_back:
            frame = frame.f_back
        found.add((frame.f_code.co_filename, frame.f_lineno))
        make(self, *arguments, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Problem, "__init__", recorded)
        yield found


def places() -> set[Place]:
    """Every call of `error` and `warning` in the parser and the rules."""
    return {
        (str(path), node.lineno)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("error", "warning")
    }


@pytest.mark.timeout(3000)
def test_advice_removes_its_problem_for_every_message(reached: set[Place]) -> None:
    useless = {}
    stacks = [*TRAPS, *map(mutation, range(COUNT))]
    for number, (whole, facts) in enumerate(stacks):
        if found := useless_advice(whole, facts):
            useless[number] = found
    missed = sorted(f"{Path(path).name}:{line}" for path, line in places() - reached)
    assert not missed, f"no trap or mutation provokes {' '.join(missed)}"
    assert useless == {}, "\n".join(f"{n}: {line}" for n in useless for line in useless[n])


@pytest.mark.timeout(3000)
@pytest.mark.apiserver
def test_nothing_is_accepted_that_kubernetes_refuses(dry_run: DryRun) -> None:
    refused, accepted = {}, 0
    for number, (whole, facts) in enumerate([*TRAPS, *map(mutation, range(COUNT))]):
        outcome = judged(whole, facts)
        if outcome.accepted and outcome.settings is not None:
            accepted += 1
            if found := dry_run.refusals(outcome.settings):
                refused[number] = found
    print(f"{accepted} stacks accepted, {dry_run.asked} objects tried")
    assert refused == {}
    assert accepted > COUNT // 20
