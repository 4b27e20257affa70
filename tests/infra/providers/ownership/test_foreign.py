"""Which existing objects are not the stack's, and what the message advises."""

from typing import Any

import pytest

from infra.providers.ownership import foreign
from infra.providers.ownership.foreign import Stack
from infra.providers.ownership.objects import key, path
from infra.providers.ownership.observe import Seen
from infra.settings import parse
from infra.specs.ownership import planned
from tests.commands import advised, typed
from tests.infra import chart
from tests.stacks import values

ID = "0123456789abcdef"
OBJECTS = planned(parse(values()), chart.objects("kuberay-system"), download_secret=True)
NEW = Stack(id=ID, adopt=(), live=False)


def metadata(**annotations: str) -> dict[str, Any]:
    named = {name.replace("_", "."): value for name, value in annotations.items()}
    return {"annotations": {f"rayline.dev/{name}": value for name, value in named.items()}}


def seen(*names: str, operators: Any = (), **annotations: str) -> Seen:
    paths = [path(each) for each in OBJECTS if key(each) in names]
    return Seen("uid", {name: metadata(**annotations) for name in paths}, operators)


def keys(stack: Stack, found: Seen) -> set[str]:
    return {each.key for each in foreign.find(stack, OBJECTS, found)}


@pytest.mark.parametrize("name", [key(each) for each in OBJECTS])
def test_an_existing_object_is_foreign_unless_it_is_ours_released_or_adopted(name: str) -> None:
    assert keys(NEW, seen()) == set()
    assert keys(NEW, seen(name)) == {name}
    assert keys(NEW, seen(name, stack="another")) == {name}
    assert keys(NEW, seen(name, stack=ID)) == set()
    assert keys(NEW, seen(name, released="true")) == set()
    adopting = Stack(id=ID, adopt=(name,), live=False)
    assert keys(adopting, seen(name)) == set()
    assert keys(adopting, seen(name, stack="another")) == set(), "the state may be lost"


def test_another_operator_is_foreign_even_beside_ours() -> None:
    other = {"name": "op", "namespace": "elsewhere", "uid": "1"}
    ours = {"name": "kuberay-operator", "namespace": "kuberay-system", "uid": "2"}
    live = Stack(id=ID, adopt=(), live=True)
    (found,) = foreign.find(live, OBJECTS, seen(operators=[other, ours]))
    assert "deployment/op in the namespace elsewhere" in found.text
    assert "pulumi config set --path 'rayline:operator.install' false" in foreign.message(
        [found], live
    )


def test_each_advice_makes_its_objects_no_longer_planned() -> None:
    """Also for what the message lists in one line."""
    found = foreign.find(NEW, OBJECTS, seen(*map(key, OBJECTS)))
    lines = [line for line in foreign.message(found, NEW).splitlines() if line.startswith("  - ")]
    left, whole = set(map(key, OBJECTS)), values()
    assert len(lines) >= 5
    for line in lines:
        whole = typed(whole, advised(line))
    operator = chart.objects("kuberay-system") if whole["operator"]["install"] else []
    left &= {key(each) for each in planned(parse(whole), operator, download_secret=True)}
    assert left == set()


def test_the_advised_list_adopts_all_of_them() -> None:
    names = [key(each) for each in OBJECTS]
    found = foreign.find(NEW, OBJECTS, seen(*names))
    last = foreign.message(found, NEW).splitlines()[-1]
    whole = typed(values(), advised(last))
    adopt = parse(whole).cluster.adopt
    assert list(adopt) == names
    stack = Stack(id=ID, adopt=adopt, live=False)
    assert foreign.find(stack, OBJECTS, seen(*names)) == []
    assert foreign.unmatched(adopt, OBJECTS) == []


def test_a_live_stack_is_not_told_to_change_what_it_must_not_change() -> None:
    live = Stack(id=ID, adopt=(), live=True)
    found = foreign.find(live, OBJECTS, seen("service/rayline-api"))
    text = foreign.message(found, live)
    assert "ray.name" not in text
    assert "rayline:cluster.adopt[0]' service/rayline-api" in text


@pytest.mark.parametrize(
    ("entry", "meant"),
    [
        ("pvc/model-cache-pvc", "persistentvolumeclaim/model-cache-pvc"),
        ("secret/auth-confg", "secret/auth-config"),
    ],
)
def test_an_entry_that_matches_nothing_is_refused_with_the_one_that_was_meant(
    entry: str, meant: str
) -> None:
    whole = values(cluster__adopt=[entry])
    (problem,) = foreign.unmatched([entry], OBJECTS)
    assert entry in problem
    assert parse(typed(whole, advised(problem))).cluster.adopt == (meant,)


def test_an_entry_without_a_likely_meaning_is_removed() -> None:
    (problem,) = foreign.unmatched(["zzz/qqq"], OBJECTS)
    assert parse(typed(values(cluster__adopt=["zzz/qqq"]), advised(problem))).cluster.adopt == ()


def test_paths_are_those_of_the_api() -> None:
    ray = next(each for each in OBJECTS if each["kind"] == "RayCluster")
    assert path(ray) == "/apis/ray.io/v1/namespaces/kuberay-projects/rayclusters/rayline"
    assert path({"apiVersion": "v1", "kind": "Namespace", "name": "a"}) == "/api/v1/namespaces/a"
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "namespace": "n",
        "name": "i",
    }
    assert path(ingress) == "/apis/networking.k8s.io/v1/namespaces/n/ingresses/i"
