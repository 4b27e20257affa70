"""What rayline says about a whole stack, secrets included, and whether its advice helps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra import rules
from infra.rules import Facts, Problem
from infra.settings import StackSettings
from infra.settings.framework.problems import ConfigurationError
from infra.settings.raw import read
from tests.commands import chains, typed

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Judged:
    """`settings` is None if the values cannot be read; the rules have then not been asked."""

    settings: StackSettings | None
    problems: list[Problem]

    @property
    def accepted(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)


def judged(whole: Values, facts: Facts) -> Judged:
    """As a preview does: the raw texts of the keys, then the rules."""
    raw: dict[str, str] = {}
    encrypted = set()
    for key, value in whole.items():
        plain, hides = _decrypted(value)
        raw[key] = plain if isinstance(plain, str) else json.dumps(plain)
        if hides:
            encrypted.add(key)
    try:
        settings = read(raw, encrypted)
    except ConfigurationError as failure:
        return Judged(None, list(failure.problems))
    return Judged(settings, rules.check(settings, facts))


def _decrypted(value: Any) -> tuple[Any, bool]:
    """The value as Pulumi passes it, and whether it contains a secret."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return value["secure"], True
        parts = {key: _decrypted(inner) for key, inner in value.items()}
        return {k: v for k, (v, _) in parts.items()}, any(h for _, h in parts.values())
    if isinstance(value, list):
        items = [_decrypted(item) for item in value]
        return [v for v, _ in items], any(h for _, h in items)
    return value, False


def useless_advice(whole: Values, facts: Facts) -> list[str]:
    """Every advice of every problem that does not remove the problem when it is typed."""
    before = judged(whole, facts)
    found = []
    for problem in before.problems:
        if "pulumi config" in problem.message and not chains(problem.message):
            assert "<" in problem.message, problem
        for commands in chains(problem.message):
            if wrong := _remains(before, problem, whole, commands, facts):
                found.append(f"{problem}\n    typed: {commands}\n    {wrong}")
    return found


def _remains(
    before: Judged, problem: Problem, whole: Values, commands: list[str], facts: Facts
) -> str | None:
    """Why the problem is not gone. Once the values can be read, the rules may find others."""
    try:
        after = judged(typed(whole, commands), facts)
    except (KeyError, IndexError, TypeError) as failure:
        return f"cannot be typed: {failure!r}"
    if problem in after.problems:
        return "the same message again"
    if (before.settings is None) != (after.settings is None):
        return None if before.settings is None else f"cannot be read: {after.problems}"
    there = [each for each in before.problems if _same_place(each, problem)]
    left = [each for each in after.problems if _same_place(each, problem)]
    return f"now: {'; '.join(map(str, left))}" if len(left) >= len(there) else None


def _same_place(one: Problem, other: Problem) -> bool:
    return (one.severity, one.key) == (other.severity, other.key)
