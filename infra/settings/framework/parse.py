"""Plain configuration values -> a settings model, or one readable message per mistake."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from infra.settings.framework.problems import (
    ConfigurationError,
    Problem,
    closest,
    error,
    key_path,
    listed,
    remove_command,
    set_command,
)
from infra.settings.framework.schema import Schema, allowed, example, summary

_SHOWN = 80
Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


def parse(
    model: type[Model],
    schema: Schema,
    values: Mapping[str, Any],
    secrets: Collection[str],
    encrypted: Collection[str],
) -> Model:
    """The `model`; ConfigurationError with every problem if the values are wrong.

    `schema` is the model's, `secrets` are the names of all keys that are set encrypted, `encrypted`
    the keys among `values` that contain an encrypted value.
    """
    problems = []
    try:
        settings = model.model_validate(dict(values), by_alias=True, by_name=False)
    except ValidationError as failure:
        wording = _Wording(schema, secrets, encrypted)
        found = failure.errors(include_url=False, include_context=False)
        problems += [wording.problem(details) for details in found]
    problems += [
        error(
            key_path(key),
            "contains an encrypted value, but this key is written in plain text into Kubernetes "
            f"objects and into the state. Secrets have their own keys: {listed(secrets)}. "
            "Set it without --secret, or use one of those.",
        )
        for key in (sorted(set(encrypted) & set(schema.keys_at())) if encrypted else ())
    ]
    if problems:
        raise ConfigurationError(problems)
    return settings


class _Wording:
    """Turns pydantic's errors into what was given, what is allowed, and what to type."""

    def __init__(
        self, schema: Schema, secrets: Collection[str], encrypted: Collection[str]
    ) -> None:
        self._schema, self._secrets, self._encrypted = schema, secrets, encrypted

    def problem(self, details: ErrorDetails) -> Problem:
        raw: Location = details["loc"]
        wrong_key = bool(raw) and raw[-1] == "[key]"
        location = self._known_part(raw[:-1] if wrong_key else raw)
        key = key_path(*location)
        hidden = location[0] in self._encrypted
        if details["type"] == "extra_forbidden":
            return self._unknown_key(location, None if hidden else details["input"])
        node = self._schema.at(location)
        if details["type"] == "missing":
            return error(key, f"is missing: {summary(node)}. {self._type_this(location)}")
        if wrong_key:
            return error(
                key,
                f"has a name that is not allowed: {location[-1]!r}. Use letters, digits and _, and "
                f"do not start with a digit. Type: {remove_command(key)}",
            )
        if details["type"] == "value_error":
            return error(key, f"is wrong: {details['msg'].removeprefix('Value error, ')}.")
        given = "is encrypted and not of that form" if hidden else f"is {_shown(details['input'])}"
        about = summary(node)
        about = f" ({about})" if about else ""
        structured = node.get("type") in ("array", "object")
        return error(
            key,
            f"{given}; it must be {allowed(node)}{about}. {self._type_this(location, structured)}",
        )

    def _known_part(self, location: Location) -> Location:
        """The location without the tags that pydantic appends for members of a union."""
        kept: list[str | int] = []
        for part in location:
            here = self._schema.at(kept)
            if kept and isinstance(part, str) and here.get("type") not in ("object", None):
                break
            kept.append(part)
        return tuple(kept)

    def _unknown_key(self, location: Location, given: object) -> Problem:
        *parent, name = location
        known = self._schema.keys_at(parent)
        key = key_path(*location)
        place = key_path(*parent) if parent else "rayline"
        meant = closest(str(name), [*known, *(() if parent else self._secrets)])
        if meant is None:
            return error(
                key, f"is not a key; {place} has: {listed(known)}. Type: {remove_command(key)}"
            )
        message = f"is not a key; did you mean {meant!r}? Type: {remove_command(key)}"
        structured = self._schema.at((*parent, meant)).get("type") in ("array", "object")
        if meant in known and not structured and isinstance(given, str | int | float):
            message += f", then: {set_command(key_path(*parent, meant), given)}"
        return error(key, message)

    def _type_this(self, location: Location, other_kind: bool = False) -> str:
        """The command that repairs the key; for a list or an object, that of its first required
        key. `other_kind`: the value given there is no list or object and must be removed first."""
        node = self._schema.at(location)
        first = f"{remove_command(key_path(*location))}, then: " if other_kind else ""
        while True:
            if node.get("type") == "array":
                location = (*location, 0)
            elif node.get("type") == "object" and node.get("properties"):
                inner = next(iter(node.get("required", [])), next(iter(node["properties"])))
                location = (*location, inner)
            else:
                break
            node = self._schema.at(location)
        key = key_path(*location)
        if node.get("type") == "object":
            key += ".<name>"
        return f"Type: {first}{set_command(key, example(node))}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
