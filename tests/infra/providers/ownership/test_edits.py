"""Which edits of a live stack are refused, and what their messages say."""

from typing import Any

import pytest

from infra.providers.ownership.edits import FIXED, problems
from infra.settings import parse
from infra.specs.ownership import identity
from tests.commands import advised, typed
from tests.stacks import values

BEFORE = values(storage__storageClass="cephfs", storage__size="200Gi", storage__protect=False)


def refused(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return problems(identity(parse(before)), identity(parse(after)))


EDITS: dict[str, Any] = {
    "cluster__namespace": "other",
    "ray__name": "other",
    "ray__serviceAccount": "other",
    "operator__namespace": "other",
    "storage__claim": "other",
    "storage__storageClass": "other",
    "storage__size": "100Gi",
}


@pytest.mark.parametrize("key", EDITS)
def test_the_first_command_takes_the_edit_back(key: str) -> None:
    after = values(**{**STORAGE, key: EDITS[key]})
    first = refused(BEFORE, after)[0]
    assert refused(BEFORE, typed(after, advised(first)[:1])) == []


STORAGE = {
    "storage__storageClass": "cephfs",
    "storage__size": "200Gi",
    "storage__protect": False,
}


def test_every_fixed_key_has_an_edit_here() -> None:
    assert {each.key.replace(".", "__") for each in FIXED} <= set(EDITS)


def test_a_default_that_was_replaced_is_put_back_by_removing_the_key() -> None:
    before, after = values(), values(storage__storageClass="cephfs")
    (problem,) = refused(before, after)
    assert "pulumi config rm --path 'rayline:storage.storageClass'" in problem


def test_what_does_not_matter_is_not_compared() -> None:
    off = {"operator__install": False}
    assert refused(values(**off), values(**off, operator__namespace="other")) == []
    there = {"storage__existing": True}
    assert refused(values(**there), values(**there, storage__storageClass="x")) == []
    assert refused(values(**there), values(**there, storage__size="1Gi")) == []
    assert refused(values(), values(storage__size="201Gi")) == []
    assert refused(values(storage__size="1Ti"), values(storage__size="1024Gi")) == []


def test_a_claim_that_would_be_deleted_with_its_weights_is_protected_first() -> None:
    before = values(storage__protect=False)
    for protect in (False, True):  # the engine decides by the flag of the last deployment
        after = values(storage__existing=True, storage__protect=protect)
        (problem,) = refused(before, after)
        commands = problem.partition("Type: ")[2].split(", then: ")
        assert commands[2] == "pulumi up"
        first = typed(after, commands[:2])
        assert refused(before, first) == []
        assert refused(first, typed(first, commands[3:])) == []
    assert refused(values(storage__protect=True), values(storage__existing=True)) == []
