"""The resource of `infra.providers.random_secret.provider`."""

from typing import Literal

import pulumi
from pulumi.dynamic import Resource

from infra.providers.random_secret.provider import GeneratedSecretProvider


class GeneratedSecret(Resource, module="rayline", name="GeneratedSecret"):
    """A key or a password that nobody gave. Both outputs are secret."""

    value: pulumi.Output[str]
    hash: pulumi.Output[str]
    """argon2id hash of a password; empty for a key."""

    def __init__(
        self,
        name: str,
        *,
        kind: Literal["key", "password"],
        serial: int = 0,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"kind": kind, "serial": serial, "value": None, "hash": None}
        secret = pulumi.ResourceOptions(additional_secret_outputs=["value", "hash"])
        super().__init__(
            GeneratedSecretProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret)
        )
