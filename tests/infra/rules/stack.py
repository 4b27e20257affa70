"""A stack that breaks no rule, and changed copies of it, as plain configuration values."""

import copy
from typing import Any

from infra import rules
from infra.rules import Facts, Problem
from infra.settings import StackSettings
from infra.settings.parse import parse

REVISION = "0123456789abcdef0123456789abcdef01234567"
VALUES: dict[str, Any] = {
    "cluster": {"context": "a"},
    "image": {"repository": "registry.example.com/llm"},
    "gpuGroups": [
        {"name": "big", "gpu": {"model": "A", "memoryGib": 24, "count": 2}, "workers": 2},
        {"name": "spare", "gpu": {"model": "B", "memoryGib": 12}, "enabled": False},
    ],
    "models": [
        {
            "name": "one",
            "source": "owner/one",
            "revision": REVISION,
            "gpuGroup": "big",
            "weightsGib": 10,
            "kvKibPerToken": 100,
            "maxModelLen": 4096,
        }
    ],
    "auth": {"users": [{"name": "alice", "role": "admin"}, {"name": "bob"}]},
}


def values(**changes: Any) -> dict[str, Any]:
    """The stack with values set by path, `models__0__route="/x"`; lists grow by copies."""
    whole = copy.deepcopy(VALUES)
    for path, value in changes.items():
        *way, last = [int(p) if p.isdigit() else p for p in path.split("__")]
        here: Any = whole
        for part in way:
            if isinstance(here, list) and isinstance(part, int) and part == len(here):
                here.append({**copy.deepcopy(here[0]), "name": f"{here[0]['name']}-{part}"})
            here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
        here[last] = value
    return whole


def settings(**changes: Any) -> StackSettings:
    return parse(values(**changes))


def problems(facts: Facts | None = None, /, **changes: Any) -> list[Problem]:
    """Every error that any test provokes says what to type."""
    found = rules.check(settings(**changes), facts)
    for problem in found:
        assert problem.severity == "warning" or "ype: pulumi config" in problem.message, problem
    return found


def errors(facts: Facts | None = None, /, **changes: Any) -> dict[str, str]:
    """Messages of errors by key."""
    return _by_key(problems(facts, **changes), "error")


def warnings(facts: Facts | None = None, /, **changes: Any) -> dict[str, str]:
    return _by_key(problems(facts, **changes), "warning")


def _by_key(found: list[Problem], severity: str) -> dict[str, str]:
    keys = dict.fromkeys(p.key for p in found if p.severity == severity)
    return {k: "\n".join(p.message for p in found if p.key == k) for k in keys}
