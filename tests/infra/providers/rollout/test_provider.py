"""What counts as a change of the pods."""

from typing import Any

import pytest

from infra.providers.common.properties import UNKNOWN
from infra.providers.rollout.provider import PodRolloutProvider
from tests.infra.providers.rollout.kuberay import groups

PROVIDER = PodRolloutProvider()


def with_keeps(models: list[str]) -> dict[str, Any]:
    found = groups(head=("h1", 1), a=("a1", 2), off=("o1", 0))
    found["a"]["keeps"] = models
    return found


INPUTS: dict[str, Any] = {
    "context": "c",
    "namespace": "n",
    "cluster": "ray",
    "groups": groups(head=("h1", 1), a=("a1", 2), off=("o1", 0)),
    "upgrade": "recreate",
    "deadline_seconds": 60,
    "head_service": "ray-head-svc",
    "token_secret": "ray-token",
}
OUTPUTS = {**INPUTS, "hashes": {"head": "h1", "a": "a1"}, "outdated": []}


@pytest.mark.parametrize(
    ("change", "changes"),
    [
        ({}, False),
        ({"deadline_seconds": 1}, False),
        ({"groups": groups(head=("h1", 1), a=("a2", 2), off=("o1", 0))}, True),
        ({"groups": groups(head=("h1", 1), a=("a1", 3), off=("o1", 0))}, True),
        ({"groups": with_keeps(["m"])}, False),
        ({"groups": UNKNOWN}, True),
        ({"groups": {**groups(head=("h1", 1), off=("o1", 0)), "a": UNKNOWN}}, True),
        ({"groups": groups(head=("h1", 1), a=(UNKNOWN, 2), off=("o1", 0))}, True),
        ({"upgrade": "manual"}, True),
        ({"cluster": "other"}, True),
    ],
)
def test_diff(change: dict[str, Any], changes: bool) -> None:
    assert PROVIDER.diff("pods", OUTPUTS, {**INPUTS, **change}).changes is changes


@pytest.mark.parametrize("upgrade", ["recreate", "manual"])
def test_outdated_pods_are_a_change(upgrade: str) -> None:
    """With `manual` too: someone may have replaced them since."""
    seen = {**OUTPUTS, "hashes": {"head": "h1", "a": "a0"}, "upgrade": upgrade}
    assert PROVIDER.diff("pods", seen, {**INPUTS, "upgrade": upgrade}).changes


def test_pods_of_a_gone_group_that_were_left_are_a_change() -> None:
    left = {**OUTPUTS, "outdated": ["ray-gone-worker-x"]}
    assert PROVIDER.diff("pods", left, INPUTS).changes


def test_check() -> None:
    given = {"head": {"hash": "h1", "replicas": 1, "other": None}}
    checked = PROVIDER.check({}, {**INPUTS, "groups": given, "hashes": None})
    assert checked.inputs["groups"] == {"head": {"hash": "h1", "replicas": 1}}
    assert checked.failures == []
    for unknown in ({"head": {"hash": UNKNOWN, "replicas": 1}}, {"head": UNKNOWN}, UNKNOWN):
        checked = PROVIDER.check({}, {**INPUTS, "groups": unknown, "upgrade": UNKNOWN})
        assert checked.inputs["groups"] == unknown
        assert checked.failures == []
    bad = PROVIDER.check({}, {**INPUTS, "groups": {"a": {"hash": "x"}}, "upgrade": "later"})
    assert {failure.property for failure in bad.failures} == {"groups", "upgrade"}
