"""The stack configuration, and the only reader of pulumi.Config.

Plain values become StackSettings; secrets stay Outputs, so that Pulumi encrypts everything that
contains them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import config as pulumi_config

from infra.settings import StackSettings
from infra.settings.framework.problems import ConfigurationError
from infra.settings.raw import hashes, read

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
    pull_username: pulumi.Output[str] | None = None
    pull_password: pulumi.Output[str] | None = None


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
    raw = _raw()
    encrypted = {key for key in raw if pulumi_config.is_config_secret(f"{NAMESPACE}:{key}")}
    return Configuration(read(raw, encrypted), _secrets(raw))


def _raw() -> dict[str, str]:
    """All keys of rayline's namespace with their raw strings, even unknown ones, which
    pulumi.Config cannot list."""
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


def _secrets(raw: Mapping[str, str]) -> Secrets:
    config = pulumi.Config(NAMESPACE)
    return Secrets(
        jwt_key=config.get_secret("jwtKey"),
        jwt_previous_keys=config.get_secret("jwtPreviousKeys"),
        user_hashes=config.get_secret_object("userHashes"),
        users_with_hash=frozenset(hashes(raw.get("userHashes", "{}")) or ()),
        hub_token=config.get_secret("hubToken"),
        ray_token=config.get_secret("rayToken"),
        registry_username=config.get_secret("registryUsername"),
        registry_password=config.get_secret("registryPassword"),
        pull_username=config.get_secret("pullUsername"),
        pull_password=config.get_secret("pullPassword"),
    )
