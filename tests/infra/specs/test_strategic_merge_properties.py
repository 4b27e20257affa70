"""What holds for every partial template and every template of our own."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from infra.specs.strategic_merge import APPENDED, MERGE_KEYS, overruled, under

DEFAULTS = (("spec", "securityContext"), ("spec", "containers", "securityContext"))

# Templates of a few names, so that partial and own ones meet.
NAMES = st.sampled_from("abc")
SCALARS = st.sampled_from(["x", "y", 1, 2, True])
ATOMIC = st.lists(SCALARS, max_size=2)


def items(key: str, fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    item = st.fixed_dictionaries({key: NAMES}, optional=fields)
    return st.lists(item, max_size=3, unique_by=lambda each: each[key])


VOLUMES = items(
    "name",
    {"emptyDir": st.fixed_dictionaries({}, optional={"s": SCALARS}), "hostPath": st.just({})},
)
ENV = items("name", {"value": SCALARS, "valueFrom": st.just({"x": "y"})})
MOUNTS = items("mountPath", {"name": NAMES, "readOnly": st.booleans()})
SECURITY = st.fixed_dictionaries({}, optional={"user": SCALARS, "add": ATOMIC})
CONTAINERS = items(
    "name",
    {
        "image": SCALARS,
        "args": ATOMIC,
        "env": ENV,
        "volumeMounts": MOUNTS,
        "securityContext": SECURITY,
    },
)
TEMPLATES = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries(
            {}, optional={"labels": st.dictionaries(NAMES, SCALARS, max_size=3)}
        ),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "containers": CONTAINERS,
                "volumes": VOLUMES,
                "securityContext": SECURITY,
                "tolerations": st.lists(st.fixed_dictionaries({"key": NAMES}), max_size=2),
                "hostNetwork": st.booleans(),
            },
        ),
    },
)


@given(TEMPLATES)
def test_nothing_merged_under_a_template_leaves_it_as_it_is(own: dict[str, Any]) -> None:
    before = copy.deepcopy(own)
    result = under({}, own, DEFAULTS)
    assert result == before
    assert list(result) == list(before)


@given(TEMPLATES, TEMPLATES)
def test_merging_again_changes_nothing(partial: dict[str, Any], own: dict[str, Any]) -> None:
    once = under(partial, own, DEFAULTS)
    assert under(partial, once, DEFAULTS) == once


@given(TEMPLATES, TEMPLATES)
def test_inputs_are_not_changed(partial: dict[str, Any], own: dict[str, Any]) -> None:
    before = copy.deepcopy((partial, own))
    under(partial, own, DEFAULTS)
    assert (partial, own) == before


@given(TEMPLATES, TEMPLATES)
def test_everything_of_ones_own_is_kept_in_order(
    partial: dict[str, Any], own: dict[str, Any]
) -> None:
    assert_contains(under(partial, own), own)


@given(TEMPLATES, TEMPLATES)
def test_what_is_not_reported_takes_effect(partial: dict[str, Any], own: dict[str, Any]) -> None:
    result = under(partial, own, DEFAULTS)
    reported = {each.place for each in overruled(partial, own, DEFAULTS)}
    for place, value in scalars(partial):
        if not any(place[: len(bad)] == bad for bad in reported):
            assert lookup(partial, result, place) == value, place
    for place in reported:
        assert lookup(partial, result, place) != lookup(partial, partial, place)


def assert_contains(whole: Any, part: Any) -> None:
    if isinstance(part, dict):
        for key, value in part.items():
            assert_contains(whole[key], value)
    elif isinstance(part, list):
        assert len(whole) >= len(part)
        for left, right in zip(whole, part, strict=False):
            assert_contains(left, right)
    else:
        assert whole == part


def scalars(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """Scalars and lists without a merge key, with their places."""
    if isinstance(value, dict):
        return [each for key, v in value.items() for each in scalars(v, (*place, key))]
    if isinstance(value, list) and place[-1] in MERGE_KEYS:
        return [each for i, v in enumerate(value) for each in scalars(v, (*place, i))]
    return [(place, value)] if not isinstance(value, list) or place[-1] not in APPENDED else []


def lookup(partial: Any, result: Any, place: tuple[Any, ...]) -> Any:
    """The value in `result` at a place of `partial`, whose lists have other positions."""
    name = ""
    for part in place:
        if isinstance(part, int):
            (key,) = MERGE_KEYS[name]
            wanted = partial[part][key]
            partial = partial[part]
            result = next(each for each in result if each[key] == wanted)
        else:
            name, partial = part, partial[part]
            result = result.get(part) if isinstance(result, dict) else None
            if result is None:
                return None
    return result
