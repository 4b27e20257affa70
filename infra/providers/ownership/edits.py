"""Edits that a live stack refuses: settings that name objects, or that Kubernetes does not let an
object change.

The engine would create the new object first, for which there are no free cards, and fail. When the
edit is then taken back, it deletes the old object by its name, which is that of the live one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]

STORE_SIZE, STORE_CLASS = "ray.faultTolerance.size", "ray.faultTolerance.storageClass"
"""Only a stack that makes the claim of Ray's control store has the first."""

CLAIM_STAYS = (
    "With storage.protect, the claim and its weights outlive the destroy; without it, they do not."
)


@dataclass(frozen=True)
class Fixed:
    """A setting that a live stack keeps. `applies`: whether its value matters at all, judged by the
    values of all settings; it must hold before and after the edit."""

    key: str
    why: str
    applies: Callable[[Values], bool] = lambda _values: True


def _installs(values: Values) -> bool:
    return bool(values["operator.install"])


def _makes_claim(values: Values) -> bool:
    return not values["storage.existing"]


def _makes_store(values: Values) -> bool:
    return STORE_SIZE in values


FIXED = (
    Fixed("cluster.namespace", "all objects of the stack are in it"),
    Fixed("ray.name", "the RayCluster and most other objects are named after it"),
    Fixed("ray.serviceAccount", "it is the account of running pods"),
    Fixed("operator.namespace", "the operator and its namespace are named by it", _installs),
    Fixed("storage.claim", "the downloaded weights are in it"),
    Fixed("storage.storageClass", "Kubernetes does not change that of a claim", _makes_claim),
    Fixed(STORE_CLASS, "Kubernetes does not change that of a claim", _makes_store),
)


def problems(olds: Values, news: Values) -> list[str]:
    """Why each edit is refused, with what to type; `olds` and `news` are values by key."""
    found = [
        _fixed(each.key, each.why, olds, news)
        for each in FIXED
        if olds.get(each.key) != news.get(each.key) and each.applies(olds) and each.applies(news)
    ]
    if olds["storage.claim"] == news["storage.claim"]:
        found += _claim(olds, news)
    if _makes_store(olds) and _makes_store(news):
        found += _shrunk(STORE_SIZE, olds, news)
    return found


def _fixed(key: str, why: str, olds: Values, news: Values) -> str:
    old, new = olds.get(key), news.get(key)
    back = _command(key, old)
    return (
        f"rayline:{key} is {_shown(new)}; this stack was deployed with {_shown(old)}, and {why}. "
        f"To keep the deployment, type: {back}. {_way(key, back, olds, news)}"
    )


def _way(key: str, back: str, olds: Values, news: Values) -> str:
    """How to get what the edit wants, with what happens to the weights."""
    if key == "storage.claim":
        kept = _makes_claim(olds) and not olds["storage.protect"]
        protect = [_command("storage.protect", True), "pulumi up"] if kept else []
        existing = [] if news["storage.existing"] else [_command("storage.existing", True)]
        claim = news["storage.claim"]
        return (
            f"To move the weights to the claim {claim}, which must exist, type: "
            f"{_then(back, *protect, 'pulumi destroy')}. Copy them "
            "(docs/how-to/manage-weights.md, Move to another claim), and type: "
            f"{_then(*existing, _command('storage.claim', claim), 'pulumi up')}"
        )
    if key == "storage.storageClass":
        return (
            "To have the weights in another class, create a claim of that class, and move them to "
            "it: docs/how-to/manage-weights.md, Move to another claim"
        )
    if key == STORE_CLASS:
        off = _command("ray.faultTolerance.enabled", False)
        on = _command("ray.faultTolerance.enabled", True)
        new = _command(key, news.get(key))
        return (
            "To have the store in another class, which restarts all Ray pods twice, type: "
            f"{_then(off, 'pulumi up', new, on, 'pulumi up')}"
        )
    return (
        "To move the deployment, put the old value back, run `pulumi destroy`, set the new one, "
        f"and run `pulumi up`. {CLAIM_STAYS}"
    )


def _then(*commands: str) -> str:
    return ", then: ".join(commands)


def _claim(olds: Values, news: Values) -> list[str]:
    """The claim that the stack has created."""
    if not _makes_claim(olds):
        return []
    if not _makes_claim(news):
        if olds["storage.protect"]:
            return []
        protect, existing = _command("storage.protect", True), _command("storage.existing", True)
        return [
            "rayline:storage.existing is true, but this stack has created the claim "
            f"{olds['storage.claim']} without protection, and would delete it with its weights. "
            f"Type: {_command('storage.existing', False)}, then: {protect}, then: pulumi up, "
            f"then: {existing}"
        ]
    return _shrunk("storage.size", olds, news)


def _shrunk(key: str, olds: Values, news: Values) -> list[str]:
    # Imported here because it imports pydantic, which would cost every preview 0.15 s.
    from infra.settings.framework.quantities import amount

    old, new = olds[key], news[key]
    if old == new or amount(new) >= amount(old):
        return []
    return [
        f"rayline:{key} is {new}, less than the {old} of the existing claim; Kubernetes "
        f"does not shrink a claim. Type: {_command(key, old)}"
    ]


def _shown(value: Any) -> str:
    return "absent" if value is None else repr(value)


def _command(key: str, value: Any) -> str:
    from infra.settings.framework.problems import key_path, remove_command, set_command

    path = key_path(*key.split("."))
    return remove_command(path) if value is None else set_command(path, value)
