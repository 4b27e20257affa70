"""Secrets of the cluster: users and keys for the service, Ray's own token, the hub's token."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.configuration import Secrets
from infra.providers.random_secret import RandomSecret, RandomSecretArgs
from infra.settings import StackSettings
from infra.settings.auth import User
from infra.specs import names
from infra.specs.auth_config import auth_config


@dataclass(frozen=True, kw_only=True)
class AuthArgs:
    """`secrets` are encrypted configuration; what is missing there is made here."""

    settings: StackSettings
    secrets: Secrets


class Auth(pulumi.ComponentResource):
    """`passwords` holds those that were made, by user name; secret."""

    passwords: pulumi.Output[Mapping[str, str]]

    def __init__(
        self, name: str, args: AuthArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:Auth", name, None, opts)
        self._settings = args.settings
        self._child = pulumi.ResourceOptions(parent=self)
        made = {
            user.name: RandomSecret(
                f"password-{user.name}", RandomSecretArgs(kind="password"), self._child
            )
            for user in args.settings.auth.users
            if user.name not in args.secrets.users_with_hash
        }
        jwt_key = args.secrets.jwt_key or self._key("jwt-key")
        self._secret(
            args.settings.auth.secret_name,
            auth_config(
                args.settings,
                {user.name: _hash(user, args.secrets, made) for user in args.settings.auth.users},
                jwt_key,
                args.secrets.jwt_previous_keys,
            ),
        )
        self._secret(
            names.ray_token_secret(args.settings),
            {names.RAY_TOKEN_KEY: args.secrets.ray_token or self._key("ray-token")},
        )
        if args.secrets.hub_token is not None:
            self._secret(
                names.hub_token_secret(args.settings),
                {names.HUB_TOKEN_KEY: args.secrets.hub_token},
            )
        self.passwords = pulumi.Output.secret(
            pulumi.Output.all(**{user: secret.value for user, secret in made.items()})
        )
        self.register_outputs({})

    def _key(self, name: str) -> pulumi.Output[str]:
        return RandomSecret(name, RandomSecretArgs(kind="key"), self._child).value

    def _secret(self, name: str, data: Mapping[str, pulumi.Input[str]]) -> None:
        kubernetes.core.v1.Secret(
            name,
            metadata={
                "name": name,
                "namespace": self._settings.cluster.namespace,
                "labels": names.managed_labels(self._settings),
            },
            string_data=pulumi.Output.secret(dict(data)),
            opts=self._child,
        )


def _hash(user: User, secrets: Secrets, made: Mapping[str, RandomSecret]) -> pulumi.Output[str]:
    if user.name in made:
        return made[user.name].hash
    assert secrets.user_hashes is not None
    return secrets.user_hashes.apply(lambda hashes: str(hashes[user.name]))
