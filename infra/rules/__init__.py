"""Rules over the whole configuration: what no single key can tell, checked before any resource.

Pure functions of settings and facts, one subject a file; each names the source of its rule. A new
rule goes to the file of its subject, or to a new one that is named in `check`.
"""

from infra.facts.gathering import Facts, gather
from infra.rules import (
    environment,
    image,
    memory,
    names,
    placement,
    pods,
    ports,
    routes,
    sources,
    versions,
)
from infra.settings import StackSettings
from infra.settings.problems import ConfigurationError, Problem

__all__ = ["ConfigurationError", "Facts", "Problem", "check", "gather", "require"]


def check(settings: StackSettings, facts: Facts | None = None) -> list[Problem]:
    """All problems, errors and warnings, in the order of the subjects."""
    known = facts or Facts()
    return [
        *names.check(settings),
        *routes.check(settings),
        *placement.check(settings),
        *memory.check(settings, known),
        *sources.check(settings, known),
        *versions.check(settings, known),
        *image.check(settings, known),
        *environment.check(settings),
        *ports.check(settings),
        *pods.check(settings),
    ]


def require(settings: StackSettings, facts: Facts | None = None) -> list[Problem]:
    """The warnings, when nothing worse is found; ConfigurationError with every error otherwise."""
    found = check(settings, facts)
    errors = [problem for problem in found if problem.severity == "error"]
    if errors:
        raise ConfigurationError(errors)
    return found
