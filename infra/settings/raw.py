"""The raw strings of a stack's keys -> StackSettings, or every problem in them.

infra.configuration passes the strings that Pulumi decrypted; `rayline check` passes those of a
stack file.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from infra.settings import SCHEMA, StackSettings, parse
from infra.settings.framework.problems import (
    ConfigurationError,
    Problem,
    error,
    key_path,
    listed,
    remove_command,
)
from infra.settings.framework.schema import example
from infra.settings.secret_keys import SECRET_KEYS, hash_problem, jwt_key_problem


def read(
    raw: Mapping[str, str], encrypted: Collection[str], *, decrypted: bool = True
) -> StackSettings:
    """The settings; ConfigurationError with every problem if they are wrong.

    `raw` is by key without `rayline:`; `encrypted` names the keys that contain a secret anywhere.
    Unless `decrypted`, the values of secrets are placeholders, whose form is not checked.
    """
    problems: list[Problem] = []
    plain: dict[str, Any] = {}
    for key, text in raw.items():
        if key in SECRET_KEYS:
            continue
        try:
            plain[key] = _value(key, text)
        except ValueError:
            shown = "encrypted" if key in encrypted else repr(text)
            problems.append(_not_structured(key, shown))
    settings: StackSettings | None = None
    try:
        settings = parse(plain, encrypted)
    except ConfigurationError as failure:
        broken = {problem.key for problem in problems}
        problems += [problem for problem in failure.problems if problem.key not in broken]
    problems += _secret_problems(raw, encrypted, settings, decrypted)
    if problems or settings is None:
        raise ConfigurationError(problems)
    return settings


def _value(key: str, text: str) -> Any:
    """The value of a key. Lists and objects arrive as JSON; ValueError if the text is neither."""
    if key not in SCHEMA.keys_at():
        return text
    value = json.loads(text)
    expected = list if SCHEMA.at((key,)).get("type") == "array" else dict
    if not isinstance(value, expected):
        raise ValueError
    return value


def _not_structured(key: str, shown: str) -> Problem:
    node = SCHEMA.at((key,))
    inner, kind = ((key, 0), "a list") if node.get("type") == "array" else ((key,), "an object")
    fields = SCHEMA.at(inner).get("properties", {})
    first = next(iter(SCHEMA.at(inner).get("required", fields)))
    value = example(SCHEMA.at((*inner, first)))
    return error(
        key_path(key),
        f"is {shown}; it must be {kind} with the keys {listed(fields)}. "
        f"Type: pulumi config rm {key_path(key)}, "
        f"then: pulumi config set --path '{key_path(*inner, first)}' '{value}'",
    )


def _secret_problems(
    raw: Mapping[str, str],
    encrypted: Collection[str],
    settings: StackSettings | None,
    decrypted: bool,
) -> list[Problem]:
    problems = []
    for name in sorted(raw.keys() & SECRET_KEYS.keys()):
        entry = SECRET_KEYS[name]
        if entry.encrypted and name not in encrypted:
            problems.append(
                error(
                    key_path(name),
                    "is a secret, but it is stored in plain text (its value is not repeated here). "
                    "It stays in the history of the stack file, so create a new one and type: "
                    f"pulumi config rm {key_path(name)}, then: {entry.command}",
                )
            )
        elif not raw[name].strip():
            problems.append(error(key_path(name), f"is empty. Type: {entry.command}"))
    both = ("registryUsername", "registryPassword")
    if len(missing := [name for name in both if name not in raw]) == 1:
        (name,), (other,) = missing, set(both) - set(missing)
        problems.append(
            error(
                key_path(other),
                f"is set without rayline:{name}; a registry login needs both. "
                f"Type: {SECRET_KEYS[name].command}",
            )
        )
    key = raw.get("jwtKey", "").strip()
    if key and decrypted and "jwtKey" in encrypted and (wrong := jwt_key_problem(key)):
        problems.append(
            error(key_path("jwtKey"), f"{wrong}. Type: {SECRET_KEYS['jwtKey'].command}")
        )
    if raw.get("userHashes", "").strip():
        problems += _hash_problems(raw["userHashes"], settings, decrypted)
    return problems


def _hash_problems(text: str, settings: StackSettings | None, decrypted: bool) -> list[Problem]:
    entry = SECRET_KEYS["userHashes"]
    by_user = hashes(text)
    if by_user is None:
        key = key_path("userHashes")
        return [
            error(
                key,
                "is not an object of user names and hashes; a name with a dot goes into brackets, "
                f"as in {key_path('userHashes', 'jane.doe')}. "
                f"Type: {remove_command(key)}, then: {entry.command}",
            )
        ]
    users = {user.name for user in settings.auth.users} if settings else set(by_user)
    problems = []
    for name, value in by_user.items():
        here = key_path("userHashes", name)
        if name not in users:
            problems.append(
                error(
                    here,
                    f"belongs to no user of rayline:auth.users; its users are "
                    f"{listed(sorted(users))}. Type: pulumi config rm --path '{here}'",
                )
            )
        elif decrypted and (wrong := hash_problem(value)):
            problems.append(error(here, f"{wrong}. Type: {entry.command_for(name)}"))
    return problems


def hashes(text: str) -> dict[str, str] | None:
    """The object in rayline:userHashes; None if the text is not a JSON object of strings."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        return None
    return value
