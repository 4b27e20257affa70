"""The stack configuration, and the only reader of pulumi.Config.

Plain values become StackSettings; secrets stay Outputs, so that Pulumi encrypts everything that
contains them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import config as pulumi_config

from infra.settings import SCHEMA, StackSettings, parse
from infra.settings.framework.problems import (
    ConfigurationError,
    Problem,
    error,
    key_path,
    listed,
)
from infra.settings.framework.schema import example
from infra.settings.secret_keys import SECRET_KEYS, hash_problem, jwt_key_problem

__all__ = ["Configuration", "ConfigurationError", "Secrets", "load"]

NAMESPACE = "rayline"


@dataclass(frozen=True)
class Secrets:
    """Encrypted configuration; None if the stack does not set a key.

    `user_hashes` maps user names to hashes; `users_with_hash` are its names, which are not secret.
    """

    jwt_key: pulumi.Output[str] | None = None
    jwt_previous_keys: pulumi.Output[str] | None = None
    user_hashes: pulumi.Output[dict[str, str]] | None = None
    users_with_hash: frozenset[str] = frozenset()
    hub_token: pulumi.Output[str] | None = None
    ray_token: pulumi.Output[str] | None = None
    registry_username: pulumi.Output[str] | None = None
    registry_password: pulumi.Output[str] | None = None


@dataclass(frozen=True)
class Configuration:
    """One stack: its settings and its secrets."""

    settings: StackSettings
    secrets: Secrets = Secrets()


def load() -> Configuration:
    """The current stack's configuration.

    Raises ConfigurationError with every problem at once: unknown keys, wrong values, secrets that
    are not encrypted, encrypted values that would be written in plain text. No message contains a
    secret.
    """
    given = _given()
    encrypted = {key for key in given if pulumi_config.is_config_secret(f"{NAMESPACE}:{key}")}
    problems: list[Problem] = []
    plain: dict[str, Any] = {}
    for key, text in given.items():
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
        problems += [found for found in failure.problems if found.key not in broken]
    problems += _secret_problems(given, encrypted, settings)
    if problems or settings is None:
        raise ConfigurationError(problems)
    return Configuration(settings, _secrets(given))


def _given() -> dict[str, str]:
    """All keys of rayline's namespace with their raw texts, even unknown ones, which pulumi.Config
    cannot list."""
    everything: Mapping[str, Any] = {
        **pulumi_config.get_config_env(),
        **pulumi_config.CONFIG.get(),
    }
    prefix = f"{NAMESPACE}:"
    return {
        key.removeprefix(prefix): str(text)
        for key, text in everything.items()
        if key.startswith(prefix)
    }


def _value(key: str, text: str) -> Any:
    """The value of a key. Lists and objects arrive as JSON; ValueError if the text is not that."""
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
        f"is {shown}; allowed is {kind} with the keys {listed(fields)}. "
        f"Type: pulumi config rm {key_path(key)}, "
        f"then: pulumi config set --path '{key_path(*inner, first)}' '{value}'",
    )


def _secret_problems(
    given: Mapping[str, str], encrypted: set[str], settings: StackSettings | None
) -> list[Problem]:
    found = []
    for name in sorted(given.keys() & SECRET_KEYS.keys()):
        entry = SECRET_KEYS[name]
        if entry.encrypted and name not in encrypted:
            found.append(
                error(
                    key_path(name),
                    "is a secret, but it is stored in plain text (its value is not repeated here). "
                    "It stays in the history of the stack file, so create a new one and type: "
                    f"pulumi config rm {key_path(name)}, then: {entry.command}",
                )
            )
        elif not given[name].strip():
            found.append(error(key_path(name), f"is empty. Type: {entry.command}"))
    both = ("registryUsername", "registryPassword")
    if len(missing := [name for name in both if name not in given]) == 1:
        (name,), (other,) = missing, set(both) - set(missing)
        found.append(
            error(
                key_path(other),
                f"is set without rayline:{name}; a registry login needs both. "
                f"Type: {SECRET_KEYS[name].command}",
            )
        )
    key = given.get("jwtKey", "").strip()
    if key and "jwtKey" in encrypted and (wrong := jwt_key_problem(key)):
        found.append(error(key_path("jwtKey"), f"{wrong}. Type: {SECRET_KEYS['jwtKey'].command}"))
    if given.get("userHashes", "").strip():
        found += _hash_problems(given["userHashes"], settings)
    return found


def _hash_problems(text: str, settings: StackSettings | None) -> list[Problem]:
    entry = SECRET_KEYS["userHashes"]
    hashes = _hashes(text)
    if hashes is None:
        key = key_path("userHashes")
        return [error(key, f"is not an object of user names and hashes. Type: {entry.command}")]
    users = {user.name for user in settings.auth.users} if settings else set(hashes)
    found = []
    for name, value in hashes.items():
        here = key_path("userHashes", name)
        if name not in users:
            found.append(
                error(
                    here,
                    f"belongs to no user of rayline:auth.users; its users are "
                    f"{listed(sorted(users))}. Type: pulumi config rm --path '{here}'",
                )
            )
        elif wrong := hash_problem(value):
            found.append(error(here, f"{wrong}. Type: {entry.command_for(name)}"))
    return found


def _hashes(text: str) -> dict[str, str] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        return None
    return found


def _secrets(given: Mapping[str, str]) -> Secrets:
    config = pulumi.Config(NAMESPACE)
    return Secrets(
        jwt_key=config.get_secret("jwtKey"),
        jwt_previous_keys=config.get_secret("jwtPreviousKeys"),
        user_hashes=config.get_secret_object("userHashes"),
        users_with_hash=frozenset(_hashes(given.get("userHashes", "{}")) or ()),
        hub_token=config.get_secret("hubToken"),
        ray_token=config.get_secret("rayToken"),
        registry_username=config.get_secret("registryUsername"),
        registry_password=config.get_secret("registryPassword"),
    )
