"""Values of the operator's chart that a stack may not set."""

from typing import Any

from infra.facts.machine import Facts
from infra.rules.environment import looks_secret
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, remove_command, set_command
from infra.specs.operator_chart import own_values
from infra.specs.strategic_merge import overruled


@rule
def values_of_the_chart_have_an_effect(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Values that rayline sets itself: the names of the operator's objects, and its image."""
    operator = settings.operator
    return [
        error(
            key := key_path("operator", "values", *found.place),
            f"has no effect, because rayline sets it ({found.own}). Type: {remove_command(key)}",
        )
        for found in overruled(operator.values, own_values(operator))
    ]


@rule
def the_operators_variables_contain_no_secret(
    settings: StackSettings, _facts: Facts
) -> list[Problem]:
    """A release's values are in plain text in the state and in the cluster."""
    problems = []
    variables = settings.operator.values.get("env")
    for number, each in enumerate(variables if isinstance(variables, list) else ()):
        if isinstance(each, dict) and "value" in each and looks_secret(str(each.get("name"))):
            key = key_path("operator", "values", "env", number)
            problems.append(
                error(
                    key,
                    f"({each['name']}) may not have a plain value: its name suggests a secret. Put "
                    "it into a Secret of the operator's namespace, and use valueFrom.secretKeyRef. "
                    f"Type: {remove_command(key)}",
                )
            )
    return problems


@rule
def the_operator_watches_the_namespace(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Otherwise nothing would ever create a pod. The chart (templates/deployment.yaml) lets the
    operator watch every namespace, those in `watchNamespace`, or with `singleNamespaceInstall` and
    no list only its own."""
    values, ours = settings.operator.values, settings.cluster.namespace
    watched = values.get("watchNamespace")
    if watched:
        if isinstance(watched, list) and ours in watched:
            return []
        key = key_path("operator", "values", "watchNamespace")
        names = watched if isinstance(watched, list) else []
        return [_unwatched(key, watched, ours, len(names))]
    if values.get("singleNamespaceInstall") and settings.operator.namespace != ours:
        key = key_path("operator", "values", "watchNamespace")
        return [_unwatched(key, [settings.operator.namespace], ours, 0)]
    return []


def _unwatched(key: str, watched: Any, ours: str, place: int) -> Problem:
    first = "" if isinstance(watched, list) else f"{remove_command(key)}, then: "
    return error(
        key,
        f"is {watched!r}; it must be a list with {ours!r}, the namespace of the RayCluster "
        f"(rayline:cluster.namespace). Type: {first}{set_command(f'{key}[{place}]', ours)}",
    )
