"""Remembers the GPU groups of the last deployment and refuses a list that does not continue it.

A program cannot read its own state; a provider's `check` is shown the old inputs, in previews too.
Pulumi loads this module by name in a process of its own: no effect on import, nothing in `self`.
"""

from typing import Any

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ResourceProvider,
    UpdateResult,
)

from infra.rules import group_order

ID = "worker-groups"


class WorkerGroupsProvider(ResourceProvider):
    """Inputs: `names` and `disabled` (of the groups, in order), `delivery`. Creates nothing."""

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        problems = (
            group_order.problems(
                before=olds["names"],
                disabled_before=frozenset(olds["disabled"]),
                now=news["names"],
                delivery=news["delivery"],
            )
            if olds.get("names")
            else []
        )
        failures = [CheckFailure("names", str(problem)) for problem in problems]
        return CheckResult(inputs=news, failures=failures)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        inputs = ("names", "disabled", "delivery")
        return DiffResult(changes=any(olds.get(name) != news.get(name) for name in inputs))

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(id_=ID, outs=props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(outs=news)
