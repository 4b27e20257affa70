"""Which edits of a live stack are refused, and what their messages say."""

import re
from pathlib import Path
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
    "ray__faultTolerance__storageClass": "other",
    "ray__faultTolerance__size": "500Mi",
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


def test_the_store_may_go_and_come_back_in_another_class() -> None:
    after = values(ray__faultTolerance__storageClass="rbd")
    (problem,) = refused(values(), after)
    assert "storageClass' rbd, then: pulumi config set" in problem
    off = values(ray__faultTolerance={"enabled": False})
    assert refused(values(), off) == refused(off, after) == []


def test_a_default_that_was_replaced_is_put_back_by_removing_the_key() -> None:
    before, after = values(), values(storage__storageClass="cephfs")
    (problem,) = refused(before, after)
    assert "pulumi config rm --path 'rayline:storage.storageClass'" in problem


def steps(message: str) -> list[str]:
    """The commands of the way to another claim, without the one that takes the edit back."""
    way = message.partition("To move the weights")[2]
    parts = [part.partition(". Copy")[0] for part in way.split(" type: ")[1:]]
    return [command for part in parts for command in part.split(", then: ")][1:]


PAGES = {
    "docs/guide/day-two.md": "## Move the weights to another claim",
    "docs/how-to/manage-weights.md": "## Move to another claim",
}


def on_page(page: str) -> list[str]:
    text = (Path(__file__).parents[4] / page).read_text()
    section = text.partition(PAGES[page])[2].partition("\n## ")[0]
    commands = [line.strip() for line in section.splitlines() if re.match(r" *pulumi ", line)]
    named = re.sub(r" -s prod\b", "", "\n".join(commands))
    return re.sub(r"\b(CLAIM|weights-2)$", "other", named, flags=re.MULTILINE).splitlines()


@pytest.mark.parametrize("page", PAGES)
def test_the_way_to_another_claim_is_that_of_the_pages(page: str) -> None:
    (problem,) = refused(values(storage__protect=False), values(storage__claim="other"))
    assert page == "docs/guide/day-two.md" or page in problem
    assert steps(problem) == on_page(page)


@pytest.mark.parametrize("edit", [{"storage__protect": True}, {"storage__existing": True}])
def test_the_way_to_another_claim_has_no_step_that_is_done(edit: dict[str, bool]) -> None:
    before = values(storage__protect=False)
    done = values(**{"storage__protect": False, **edit})
    whole, shorter = (
        steps(refused(olds, {**olds, "storage": {**olds["storage"], "claim": "other"}})[0])
        for olds in (before, done)
    )
    assert len(shorter) < len(whole)
    assert set(shorter) < set(whole)


def test_another_storage_class_needs_another_claim() -> None:
    """The protected claim of the old class would be in the way of one that has its name."""
    (problem,) = refused(BEFORE, {**BEFORE, "storage": {**BEFORE["storage"], "storageClass": "x"}})
    assert "create a claim of that class" in problem
    assert "pulumi destroy" not in problem


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
