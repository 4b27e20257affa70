"""Cross-field validation: everything that needs more than one key, before any resource exists.

A rule is a function with the decorator `rule`; it is pure and names the source of what it checks.
Every module of this package is imported, so a new rule is one function in the module of its
subject, or in a new module, and nothing else needs an edit. Problems are reported by module
name, then from top to bottom of the module.
"""

import pkgutil
from importlib import import_module

from infra.facts.machine import Facts, gather
from infra.rules.registry import rules
from infra.settings import StackSettings
from infra.settings.framework.problems import ConfigurationError, Problem

__all__ = ["ConfigurationError", "Facts", "Problem", "check", "gather", "require"]

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def check(settings: StackSettings, facts: Facts | None = None) -> list[Problem]:
    """All problems and hints, in the order of the rules."""
    known = facts or Facts()
    return [problem for rule in rules() for problem in rule(settings, known)]


def require(settings: StackSettings, facts: Facts | None = None) -> list[Problem]:
    """Warnings and hints if there is no error; otherwise ConfigurationError with every error."""
    problems = check(settings, facts)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise ConfigurationError(errors)
    return problems
