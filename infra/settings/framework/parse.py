"""Plain configuration values -> a settings model, or one readable message per mistake."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from infra.settings.framework.problems import (
    ConfigurationError,
    Problem,
    can_be_typed,
    closest,
    error,
    key_path,
    listed,
    remove_command,
    set_command,
)
from infra.settings.framework.schema import Schema, allowed, example, summary
from infra.settings.framework.secret_key import SecretKey
from infra.settings.framework.text import GRAMMAR, NOT_TEXT

_SHOWN = 80
_TYPED = 8
"""More commands than that help nobody; renaming the key does."""
Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


def parse(
    model: type[Model],
    schema: Schema,
    values: Mapping[str, Any],
    secrets: Mapping[str, SecretKey],
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
        found = failure.errors(include_url=False)
        problems += [wording.problem(each) for each in found if not _follows(each, found)]
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
        self, schema: Schema, secrets: Mapping[str, SecretKey], encrypted: Collection[str]
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
        words = str(details.get("ctx", {}).get("words"))
        if wrong_key:
            return error(
                key, f"has a name that is not allowed; it must be {words}. {_away(location)}"
            )
        if details["type"] == "value_error":
            return error(key, f"is wrong: {details['msg'].removeprefix('Value error, ')}.")
        given = "is encrypted and not of that form" if hidden else f"is {_shown(details['input'])}"
        if details["type"] in (GRAMMAR, NOT_TEXT):
            return self._wrong_text(location, given, details, hidden)
        about = summary(node)
        about = f" ({about})" if about else ""
        structured = node.get("type") in ("array", "object")
        return error(
            key,
            f"{given}; it must be {allowed(node)}{about}. {self._type_this(location, structured)}",
        )

    def _wrong_text(
        self, location: Location, given: str, details: ErrorDetails, hidden: bool
    ) -> Problem:
        context = details["ctx"]
        repair = self._schema.at(location)["examples"][0] if hidden else context["repair"]
        command = set_command(key_path(*location), repair)
        about = summary(self._schema.at(location))
        about = f" ({about})" if about else ""
        if details["type"] == NOT_TEXT:
            shown = "" if hidden else f" {json.dumps(details['input'])}"
            kinds = {bool: "truth value", str: "date"}
            kind = kinds.get(type(details["input"]), "number")
            return error(
                key_path(*location),
                f"is the {kind}{shown} where a text is meant{about}. YAML reads 1.10 as 1.1, and "
                "yes or true as something else than a text; quotes in the stack file prevent that. "
                f"Type: {command}",
            )
        return error(
            key_path(*location), f"{given}; it must be {context['words']}{about}. Type: {command}"
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
            return error(key, f"is not a key; {place} has: {listed(known)}. {_away(location)}")
        message = f"is not a key; did you mean {meant!r}? {_away(location)}"
        if meant not in known:
            return error(key, f"{message}, then: {self._secrets[meant].command}")
        if given is None or not can_be_typed(*location):
            return error(key, message)
        commands = [
            set_command(key_path(*at), value) for at, value in _leaves((*parent, meant), given)
        ]
        if not commands or len(commands) > _TYPED:
            return error(key, f"{message}; or rename it in the stack file, which keeps its value")
        return error(key, ", then: ".join([message, *commands]))

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


def _follows(details: ErrorDetails, found: Collection[ErrorDetails]) -> bool:
    """Whether a list only counts as too short because of a mistake in one of its items."""
    loc = details["loc"]
    inner = (each["loc"] for each in found if len(each["loc"]) > len(loc))
    return details["type"] == "too_short" and any(each[: len(loc)] == loc for each in inner)


def _away(location: Location) -> str:
    """How to remove a key whose name no command may be able to contain."""
    if can_be_typed(*location):
        return f"Type: {remove_command(key_path(*location))}"
    return "Remove it from the stack file in an editor; no command can contain its name."


def _leaves(location: Location, value: object) -> Iterator[tuple[Location, object]]:
    """The values inside a value that commands can set; empty lists and objects are left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves((*location, str(name)), inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves((*location, number), inner)
    elif isinstance(value, str | int | float):
        yield location, value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
