"""Which pods a drain of nodes may not evict."""

from typing import Any

import pytest

from infra.specs import names
from infra.specs.disruption_budgets import disruption_budgets
from infra.specs.manifests import pods
from tests.infra.specs.policies import selects
from tests.stacks import settings

TWO = {"gpuGroups__0__workers": 3, "models__0__replicas": 2}


LOSES_ITS_STORE = {"ray__faultTolerance__enabled": False}


def minimums(**edits: Any) -> dict[str, int]:
    return {
        each["metadata"]["name"].removeprefix("rayline-"): each["spec"]["minAvailable"]
        for each in disruption_budgets(settings(**edits))
    }


@pytest.mark.parametrize(
    ("edits", "budgets"),
    [
        ({}, {}),
        (LOSES_ITS_STORE, {"head": 1}),
        ({"ray__head__evictable": False}, {"head": 1}),
        ({**LOSES_ITS_STORE, "ray__head__evictable": True}, {}),
        (TWO, {"big": 2}),
        ({**TWO, "gpuGroups__0__enabled": False}, {}),
        ({**TWO, "gpuGroups__0__workers": 1}, {}),
        ({**TWO, "models__0__replicas": 1}, {}),
    ],
    ids=str,
)
def test_a_budget_keeps_what_serves(edits: dict[str, Any], budgets: dict[str, int]) -> None:
    assert minimums(**edits) == budgets


def test_no_pod_has_two_budgets_which_would_refuse_every_eviction() -> None:
    wanted = settings(**TWO, **LOSES_ITS_STORE)
    groups = [group.name for group in wanted.gpu_groups]
    counts = {}
    for pod, group in zip(pods(wanted), ["headgroup", *groups, None], strict=True):
        labels = dict(pod["metadata"]["labels"])
        if group is not None:  # as KubeRay labels it
            kind = "head" if group == "headgroup" else "worker"
            labels |= {names.GROUP_LABEL: group, names.NODE_TYPE_LABEL: kind}
        counts[group] = sum(
            selects(each["spec"]["selector"], labels) for each in disruption_budgets(wanted)
        )
    assert counts == {"headgroup": 1, "big": 1, "spare": 0, None: 0}
