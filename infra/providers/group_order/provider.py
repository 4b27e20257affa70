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

Props = dict[str, Any]
ID = "worker-groups"
CLUSTER = ("context", "namespace", "cluster", "delivery")
"""What makes it the same cluster; in another one there is no order to keep."""
INPUTS = (*CLUSTER, "names", "disabled")


class WorkerGroupsProvider(ResourceProvider):
    """Inputs: `names` and `disabled` (of the groups, in order), and `CLUSTER`. Creates nothing."""

    def check(self, olds: Props, news: Props) -> CheckResult:
        failures = [CheckFailure("names", reason) for reason in _refusals(olds, news)]
        return CheckResult(inputs=news, failures=failures)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        return DiffResult(changes=any(olds.get(name) != news.get(name) for name in INPUTS))

    def create(self, props: Props) -> CreateResult:
        return CreateResult(id_=ID, outs=props)

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        return UpdateResult(outs=news)


def _refusals(olds: Props, news: Props) -> list[str]:
    if not olds or any(olds.get(name) != news.get(name) for name in CLUSTER):
        return []
    if olds["names"] == news["names"]:
        return []
    # Here, not above: it brings pydantic, which would cost each preview 0.15 s.
    from infra.providers.group_order import order

    found = order.problems(
        before=olds["names"],
        disabled_before=olds["disabled"],
        now=news["names"],
        delivery=news["delivery"],
    )
    return [str(problem) for problem in found]
