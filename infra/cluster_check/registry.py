"""The registry of cluster rules: a rule is a function that is decorated with `@cluster_rule`.

A rule is a pure function of settings and facts. It reads `Fact.value` of what it needs; if that is
not known, the rule is skipped, and its reason is reported once. It may rely on settings without
errors, because the rules of the configuration run first. The first paragraph of its docstring is
published in docs/reference/cluster-checks.md.
"""

import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

from infra.cluster_check.facts import ClusterFacts, NotKnownError
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, warning

Report = Callable[[str, str], Problem]
"""`error` or `warning` of infra.settings.framework.problems."""
ClusterRule = Callable[[StackSettings, ClusterFacts], Iterable[Problem]]
_RULES: list[ClusterRule] = []


@dataclass(frozen=True)
class Findings:
    """`problems` in the order of the rules; `skipped`: the reasons for which rules had no facts."""

    problems: tuple[Problem, ...] = ()
    skipped: tuple[str, ...] = ()


def cluster_rule(function: ClusterRule) -> ClusterRule:
    """Registers a rule."""
    _RULES.append(function)
    return function


def rules() -> list[ClusterRule]:
    """All rules: modules by name, and the functions of a module from top to bottom."""
    from infra.cluster_check import rules as package

    for module in pkgutil.iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    return sorted(_RULES, key=lambda each: (each.__module__, each.__code__.co_firstlineno))


def check(settings: StackSettings, facts: ClusterFacts) -> Findings:
    """What all rules report."""
    problems: list[Problem] = []
    skipped: dict[str, None] = {}
    for rule in rules():
        try:
            problems += rule(settings, facts)
        except NotKnownError as reason:
            skipped[str(reason)] = None
    return Findings(tuple(problems), tuple(skipped))


def certain(facts: ClusterFacts) -> Report:
    """`error` for a stack that is not deployed yet. What already runs may have been made under
    other conditions, so there the same finding must not stop an `up`."""
    return warning if facts.live.get(False) else error


def kubectl(settings: StackSettings, *words: str) -> str:
    """A command for the stack's cluster and namespace."""
    cluster = settings.cluster
    return " ".join(["kubectl --context", cluster.context, "-n", cluster.namespace, *words])
