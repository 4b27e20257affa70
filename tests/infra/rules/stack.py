"""What the rules report about a valid stack with changes.

Every error that any test provokes states what to type, and typing it literally removes the error.
"""

from typing import Any

from infra import rules
from infra.rules import Facts, Problem
from infra.settings import parse
from infra.settings.secret_keys import SECRET_KEYS
from tests.commands import advised, typed
from tests.stacks import values


def problems(facts: Facts | None = None, /, **changes: Any) -> list[Problem]:
    whole = values(**changes)
    reported = rules.check(parse(whole), facts)
    for problem in reported:
        assert problem.severity == "warning" or "ype: pulumi config" in problem.message, problem
        if commands := advised(problem.message):
            changed = typed(whole, commands)
            plain = {key: value for key, value in changed.items() if key not in SECRET_KEYS}
            after = rules.check(parse(plain), facts)
            left = {(p.severity, p.key) for p in after if p.message == problem.message}
            assert (problem.severity, problem.key) not in left, problem
            repeated = [p for p in after if p.key == problem.key and p.severity == "error"]
            assert len(repeated) < len([p for p in reported if p.key == problem.key]), problem
    return reported


def errors(facts: Facts | None = None, /, **changes: Any) -> dict[str, str]:
    """Messages of errors by key."""
    return _by_key(problems(facts, **changes), "error")


def warnings(facts: Facts | None = None, /, **changes: Any) -> dict[str, str]:
    """Messages of warnings by key."""
    return _by_key(problems(facts, **changes), "warning")


def hints(facts: Facts | None = None, /, **changes: Any) -> dict[str, str]:
    """Messages of hints by key."""
    return _by_key(problems(facts, **changes), "hint")


def _by_key(reported: list[Problem], severity: str) -> dict[str, str]:
    keys = dict.fromkeys(p.key for p in reported if p.severity == severity)
    return {k: "\n".join(p.message for p in reported if p.key == k) for k in keys}
