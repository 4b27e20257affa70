"""Planned objects that exist already and are not the stack's: which they are, and what to type.

Pure functions of what was seen in the cluster. pulumi-kubernetes would take such objects over
without a word, and delete them with the stack.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.providers.common.owner import is_released, owner
from infra.providers.ownership.edits import FIXED
from infra.providers.ownership.objects import Object, described, key, path
from infra.providers.ownership.observe import Seen

OPERATOR_INSTALL = "operator.install"


@dataclass(frozen=True)
class Stack:
    """What a stack owns: `id` is its annotation, `adopt` the list `rayline:cluster.adopt`. `live`:
    it was deployed before."""

    id: str
    adopt: Sequence[str]
    live: bool


@dataclass(frozen=True)
class Foreign:
    """An object, and the setting with which the stack leaves it alone."""

    text: str
    key: str
    setting: str
    instead: Any


def find(stack: Stack, objects: Sequence[Object], seen: Seen) -> list[Foreign]:
    """The objects that exist and are not the stack's."""
    return [*_planned(stack, objects, seen), *_operators(objects, seen)]


def _planned(stack: Stack, objects: Sequence[Object], seen: Seen) -> list[Foreign]:
    found = []
    for each in objects:
        metadata = seen.metadata.get(path(each))
        if metadata is None or key(each) in stack.adopt:
            continue
        if owner(metadata) == stack.id or is_released(metadata):
            continue
        text = described(each) + _state(metadata)
        found.append(Foreign(text, key(each), each["setting"], each["instead"]))
    return found


def _operators(objects: Sequence[Object], seen: Seen) -> list[Foreign]:
    """Operators of KubeRay elsewhere in the cluster; two of them would fight over each cluster."""
    ours = {(each.get("namespace"), each["name"]) for each in objects}
    return [
        Foreign(
            f"deployment/{found['name']} in the namespace {found['namespace']}, an operator of "
            "KubeRay",
            "",
            OPERATOR_INSTALL,
            False,
        )
        for found in seen.operators
        if (found["namespace"], found["name"]) not in ours
    ]


def _state(metadata: Mapping[str, Any]) -> str:
    parts = []
    if owner(metadata):
        parts.append("of another rayline stack")
    if metadata.get("deletionTimestamp"):
        parts.append("being deleted")
    return f" ({', '.join(parts)})" if parts else ""


def message(found: Sequence[Foreign], stack: Stack) -> str:
    """All of them at once: how to leave each alone, and how to take them over."""
    # Imported here because it imports pydantic, which would cost every preview 0.15 s.
    from infra.settings.framework.problems import key_path, set_command

    fixed = {each.key for each in FIXED} if stack.live else set()
    lines = ["These objects exist already, and this stack did not create them:"]
    for setting, instead in dict.fromkeys((each.setting, each.instead) for each in found):
        texts = [each.text for each in found if each.setting == setting]
        way = set_command(key_path(*setting.split(".")), instead)
        advice = "Delete it yourself if nobody needs it" if setting in fixed else f"Type: {way}"
        lines.append(f"  - {'; '.join(texts)}. {advice}")
    adoptable = [each.key for each in found if each.key]
    if adoptable:
        first = len(stack.adopt)
        commands = [
            set_command(key_path("cluster", "adopt", first + number), name)
            for number, name in enumerate(adoptable)
        ]
        lines.append(
            "  If they are to become the stack's own, for example after a migration or with a "
            "deployment by an earlier version of rayline, list them instead. rayline then changes "
            "them, and does not delete them while they are listed. "
            f"Type: {', then: '.join(commands)}"
        )
    return "\n".join(lines)


def unmatched(adopt: Sequence[str], objects: Sequence[Object]) -> list[str]:
    """Entries of `rayline:cluster.adopt` that name no planned object."""
    known = list(dict.fromkeys(map(key, objects)))
    return [
        _unmatched(number, entry, known) for number, entry in enumerate(adopt) if entry not in known
    ]


def _unmatched(number: int, entry: str, known: Collection[str]) -> str:
    from infra.settings.framework.problems import (
        closest,
        key_path,
        listed,
        remove_command,
        set_command,
    )

    path = key_path("cluster", "adopt", number)
    name = entry.partition("/")[2]
    same = [each for each in known if each.partition("/")[2] == name]
    meant = same[0] if same else closest(entry, known)
    text = f"{path} is {entry!r}, which is none of this stack's objects: {listed(known)}. "
    if meant is None:
        return f"{text}Type: {remove_command(path)}"
    return f"{text}Did you mean {meant!r}? Type: {set_command(path, meant)}"
