"""Plain values of the stack configuration -> StackSettings, or every mistake in words."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from infra.settings import StackSettings, schema
from infra.settings.problems import (
    ConfigurationError,
    Problem,
    did_you_mean,
    error,
    key_path,
    listed,
    remove_command,
    set_command,
)
from infra.settings.secret_keys import SECRET_KEYS

_SHOWN = 80
Location = tuple[str | int, ...]


def parse(values: Mapping[str, Any], encrypted: Collection[str] = ()) -> StackSettings:
    """The settings; ConfigurationError with all problems where they are wrong.

    `values` are by key without `rayline:`; `encrypted` names those that hold a secret anywhere,
    whose values are then not repeated in messages. Keys are accepted in camelCase only.
    """
    problems = []
    try:
        settings = StackSettings.model_validate(dict(values), by_alias=True, by_name=False)
    except ValidationError as failure:
        found = failure.errors(include_url=False, include_context=False)
        problems += [_problem(details, encrypted) for details in found]
    problems += [
        error(
            key_path(key),
            "holds an encrypted value, but what it describes is written in plain into Kubernetes "
            f"objects and into the state. Secrets have keys of their own: {listed(SECRET_KEYS)}. "
            "Write it without --secret, or use one of those.",
        )
        for key in sorted(set(encrypted) & set(schema.keys_at(())))
    ]
    if problems:
        raise ConfigurationError(problems)
    return settings


def _problem(details: ErrorDetails, encrypted: Collection[str]) -> Problem:
    raw: Location = details["loc"]
    wrong_key = bool(raw) and raw[-1] == "[key]"
    location = _known_part(raw[:-1] if wrong_key else raw)
    key = key_path(*location)
    hidden = location[0] in encrypted
    if details["type"] == "extra_forbidden":
        return _unknown_key(location)
    node = schema.node_at(location)
    if details["type"] == "missing":
        return error(key, f"is missing: {schema.summary(node)}. {_type_this(location)}")
    if wrong_key:
        return error(
            key,
            f"has a name that is not allowed: {location[-1]!r}. Use letters, digits and _, not "
            f"starting with a digit. Type: {remove_command(key)}",
        )
    if details["type"] == "value_error":
        return error(key, f"is wrong: {details['msg'].removeprefix('Value error, ')}.")
    given = "is encrypted and not of that form" if hidden else f"is {_shown(details['input'])}"
    about = schema.summary(node)
    about = f" ({about})" if about else ""
    structured = node.get("type") in ("array", "object")
    return error(
        key,
        f"{given}; allowed is {schema.allowed(node)}{about}. {_type_this(location, structured)}",
    )


def _known_part(location: Location) -> Location:
    """The location without the tags that pydantic adds for members of a union."""
    kept: list[str | int] = []
    for part in location:
        here = schema.node_at(kept)
        if kept and isinstance(part, str) and here.get("type") not in ("object", None):
            break
        kept.append(part)
    return tuple(kept)


def _unknown_key(location: Location) -> Problem:
    *parent, name = location
    known = schema.keys_at(parent)
    key = key_path(*location)
    place = key_path(*parent) if parent else "rayline"
    hint = did_you_mean(str(name), [*known, *(SECRET_KEYS if not parent else ())])
    others = hint or f"{place} has: {listed(known)}. "
    return error(key, f"is not a key; {others}Type: {remove_command(key)}")


def _type_this(location: Location, given_as_other_kind: bool = False) -> str:
    """The command that repairs the key; of a list or an object, by its first required key."""
    node = schema.node_at(location)
    first = f"{remove_command(key_path(*location))}, then: " if given_as_other_kind else ""
    while True:
        if node.get("type") == "array":
            location = (*location, 0)
        elif node.get("type") == "object" and node.get("properties"):
            inner = next(iter(node.get("required", [])), next(iter(node["properties"])))
            location = (*location, inner)
        else:
            break
        node = schema.node_at(location)
    key = key_path(*location)
    if node.get("type") == "object":
        key += ".<name>"
    return f"Type: {first}{set_command(key, schema.example(node))}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
