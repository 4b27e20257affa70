"""The cluster's secrets: users and keys for the service, Ray's own token, the hub's token."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.configuration import Secrets
from infra.providers.random_secret import RandomSecret, RandomSecretArgs
from infra.providers.secret_version import SecretVersion, SecretVersionArgs
from infra.settings.auth import Auth as AuthSettings
from infra.settings.auth import User
from infra.specs import names
from infra.specs.auth_config import auth_config


@dataclass(frozen=True, kw_only=True)
class AuthArgs:
    """`namespace` and `labels` apply to the Secrets. `secrets` is the encrypted configuration; the
    component generates the values that it lacks."""

    auth: AuthSettings
    secrets: Secrets
    namespace: str
    labels: Mapping[str, str]
    ray_token_secret: str
    hub_token_secret: str
    authorities: str | None = None
    """Certificates that download Jobs trust, in PEM form."""


class Auth(pulumi.ComponentResource):
    """`passwords` maps user names to generated passwords; it is secret. `ray_token_version` is
    another number after each change of Ray's token, which Ray reads only at its start."""

    passwords: pulumi.Output[Mapping[str, str]]
    ray_token_version: pulumi.Output[int]

    def __init__(
        self, name: str, args: AuthArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:Auth", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        users, secrets = args.auth.users, args.secrets
        generated = {
            user.name: RandomSecret(
                f"password-{user.name}", RandomSecretArgs(kind="password"), self._child
            )
            for user in users
            if user.name not in secrets.users_with_hash
        }
        self._secret(
            args.auth.secret_name,
            auth_config(
                args.auth,
                {user.name: _hash(user, secrets, generated) for user in users},
                secrets.jwt_key or self._key("jwt-key"),
                secrets.jwt_previous_keys,
            ),
        )
        ray_token = secrets.ray_token or self._key("ray-token")
        self._secret(args.ray_token_secret, {names.RAY_TOKEN_KEY: ray_token})
        self.ray_token_version = SecretVersion(
            "ray-token-version", SecretVersionArgs(secret=ray_token), self._child
        ).version
        for_downloads = {
            names.HUB_TOKEN_KEY: secrets.hub_token,
            names.PROXY_KEY: secrets.proxy_url,
            names.AUTHORITIES_KEY: args.authorities,
        }
        if given := {key: value for key, value in for_downloads.items() if value is not None}:
            self._secret(args.hub_token_secret, given)
        self.passwords = pulumi.Output.secret(
            pulumi.Output.all(**{user: secret.value for user, secret in generated.items()})
        )
        self.register_outputs({})

    def _key(self, name: str) -> pulumi.Output[str]:
        return RandomSecret(name, RandomSecretArgs(kind="key"), self._child).value

    def _secret(self, name: str, data: Mapping[str, pulumi.Input[str]]) -> None:
        kubernetes.core.v1.Secret(
            name,
            metadata={
                "name": name,
                "namespace": self._args.namespace,
                "labels": dict(self._args.labels),
            },
            string_data=pulumi.Output.secret(dict(data)),
            opts=self._child,
        )


def _hash(
    user: User, secrets: Secrets, generated: Mapping[str, RandomSecret]
) -> pulumi.Output[str]:
    if user.name in generated:
        return generated[user.name].hash
    assert secrets.user_hashes is not None
    return secrets.user_hashes.apply(lambda hashes: str(hashes[user.name]))
