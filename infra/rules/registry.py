"""The registry of rules: a rule is a function that is decorated with `@rule`."""

from collections.abc import Callable, Iterable

from infra.facts.machine import Facts
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem

Rule = Callable[[StackSettings, Facts], Iterable[Problem]]
_RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    """Registers a pure function of settings and facts that returns what is wrong with them."""
    _RULES.append(function)
    return function


def rules() -> list[Rule]:
    """All registered rules: modules by name, and the functions of a module from top to bottom,
    regardless of the order of imports."""
    return sorted(_RULES, key=lambda each: (each.__module__, each.__code__.co_firstlineno))
