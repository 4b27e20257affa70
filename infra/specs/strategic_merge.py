"""A partial object merged under an own one, by the rules of Kubernetes' strategic merge patch.

`under(partial, own)` is what `kubectl patch --type strategic` makes of `partial` when it is patched
with `own`, except that the order of `own` is kept: objects are merged key by key, lists of objects
by the key in `MERGE_KEYS`, and where both set a value, that of `own` stays.
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md

Other lists are replaced as a whole, except those in `APPENDED`, where the items of both apply.
At a path in `defaults`, the roles are turned around: `own` has a default there that `partial`
replaces. Paths consist of keys, without the positions in lists: ("spec", "containers", "image").
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
Place = tuple[str | int, ...]
"""A path with the positions in lists: ("spec", "containers", 0, "image")."""

MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "resourceClaims": ("name",),
    "claims": ("name",),
    "schedulingGates": ("name",),
}
"""Name of a list -> the keys that identify its items: `patchMergeKey` in
https://github.com/kubernetes/api/blob/v0.34.0/core/v1/types.go, and where that is ambiguous (two
protocols on one port), `listMapKey`, which server-side apply uses. A test compares the table with
the schema in KubeRay's CRD."""
OPTIONAL_KEYS: Mapping[str, str] = {"protocol": "TCP"}
"""Merge keys that an item may omit, and what the API server then assumes."""
APPENDED = frozenset(
    {
        "tolerations",
        "envFrom",
        "readinessGates",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    }
)
"""Lists without a merge key whose items all apply, so that those of `own` lose nothing by more."""
EXCLUSIVE = frozenset({"volumes", "env", "preStop", "postStart"})
"""Objects, or items of lists, with one of several sources, such as a volume's `emptyDir`. Where
`own` has chosen one, no other is added (`patchStrategy: retainKeys`)."""


@dataclass(frozen=True)
class Overruled:
    """A value of the partial object that has no effect, because `own` has another."""

    place: Place
    own: Any


@dataclass(frozen=True)
class Unmergeable:
    """A value of the partial object that cannot be merged. `lacks` is the merge key that an item of
    a list has to have."""

    place: Place
    reason: str
    lacks: str | None = None


def under(
    partial: Mapping[str, Any], own: Mapping[str, Any], defaults: Collection[Path] = ()
) -> dict[str, Any]:
    """`own`, and what only `partial` sets. Nothing in `partial` may be `unmergeable`."""
    return _objects(partial, own, _Walk(defaults, []), (), ())


def overruled(
    partial: Mapping[str, Any], own: Mapping[str, Any], defaults: Collection[Path] = ()
) -> list[Overruled]:
    """What `partial` sets in vain, in its order. Values that are equal to those of `own` are not in
    vain."""
    walk = _Walk(defaults, [])
    _objects(partial, own, walk, (), ())
    return walk.found


def unmergeable(partial: Any, place: Place = ()) -> Iterator[Unmergeable]:
    """What `under` cannot merge: null and directives, which delete, and items without a name."""
    if partial is None:
        yield Unmergeable(place, "is null, which would delete a value")
    elif isinstance(partial, Mapping):
        for key, value in partial.items():
            if key.startswith("$"):
                yield Unmergeable((*place, key), "is a directive of a patch")
            else:
                yield from unmergeable(value, (*place, key))
    elif isinstance(partial, list):
        keys = MERGE_KEYS.get(str(place[-1]) if place else "", ())
        seen = set()
        for number, item in enumerate(partial):
            here = (*place, number)
            if keys and not isinstance(item, Mapping):
                yield Unmergeable(here, f"is not an object with the key {keys[0]}")
                continue
            lacking = [key for key in keys if key not in item and key not in OPTIONAL_KEYS]
            if lacking:
                yield Unmergeable(here, "cannot be told from the other items", lacking[0])
            elif keys and (name := _identity(item, keys)) in seen:
                yield Unmergeable(here, f"has the same {keys[0]} as an earlier item")
            elif keys:
                seen.add(name)
            yield from unmergeable(item, here)


@dataclass(frozen=True)
class _Walk:
    defaults: Collection[Path]
    found: list[Overruled]


def _values(partial: Any, own: Any, walk: _Walk, path: Path, place: Place) -> Any:
    if path in walk.defaults:
        return _values(own, partial, _Walk((), []), path, place)
    if isinstance(partial, Mapping) and isinstance(own, Mapping):
        return _objects(partial, own, walk, path, place)
    if isinstance(partial, list) and isinstance(own, list):
        if path[-1] in MERGE_KEYS:
            return _items(partial, own, walk, path, place)
        if path[-1] in APPENDED:
            return [*own, *(item for item in partial if item not in own)]
    if partial != own:
        walk.found.append(Overruled(place, own))
    return own


def _objects(
    partial: Mapping[str, Any], own: Mapping[str, Any], walk: _Walk, path: Path, place: Place
) -> dict[str, Any]:
    merged = dict(own)
    for key, value in partial.items():
        if key in own:
            merged[key] = _values(value, own[key], walk, (*path, key), (*place, key))
        elif path and path[-1] in EXCLUSIVE:
            walk.found.append(Overruled((*place, key), own))
        else:
            merged[key] = value
    return merged


def _items(partial: list[Any], own: list[Any], walk: _Walk, path: Path, place: Place) -> list[Any]:
    keys = MERGE_KEYS[path[-1]]
    merged = {_identity(item, keys): item for item in own}
    for number, item in enumerate(partial):
        name = _identity(item, keys)
        if name in merged:
            merged[name] = _objects(item, merged[name], walk, path, (*place, number))
        else:
            merged[name] = item
    return list(merged.values())


def _identity(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key, OPTIONAL_KEYS.get(key)) for key in keys)
