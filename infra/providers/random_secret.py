"""RandomSecret: a key or a password that the configuration does not contain.

It is generated once and kept encrypted in the state.
docs/adr/0012-generated-secrets.md
"""

import secrets
from dataclasses import dataclass
from typing import Literal

import pulumi

from infra.providers.common.call import Call
from infra.providers.common.properties import Props, differing
from infra.providers.common.provider import Created, Diff, Provider

TYPE = "rayline:index:RandomSecret"
OUTPUTS = ("value", "hash")
KEY_BYTES = 48
PASSWORD_BYTES = 15
# The same as in app/auth/passwords.py: OWASP's first choice for argon2id.
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
MEMORY_KIB, ROUNDS, LANES = 19 * 1024, 2, 1


@dataclass(frozen=True, kw_only=True)
class RandomSecretArgs:
    """What to generate."""

    kind: Literal["key", "password"]
    serial: int = 0
    """Change it to replace the secret with a new one."""


class RandomSecret(pulumi.CustomResource):
    """A generated key or password. Both outputs are secret."""

    value: pulumi.Output[str]
    hash: pulumi.Output[str]
    """argon2id hash of a password; empty for a key."""

    def __init__(
        self, name: str, args: RandomSecretArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=list(OUTPUTS))
        super().__init__(
            TYPE,
            name,
            {**vars(args), **dict.fromkeys(OUTPUTS)},
            pulumi.ResourceOptions.merge(opts, secret),
        )


class RandomSecretProvider(Provider):
    """A change of either input replaces the secret."""

    type = TYPE
    outputs = OUTPUTS
    secret_outputs = OUTPUTS

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        replaces = differing(olds, news, ("kind", "serial"))
        return Diff(bool(replaces), replaces)

    def create(self, _call: Call, props: Props) -> Created:
        outs = {"kind": props["kind"], "serial": props["serial"], **generate(props["kind"])}
        return Created(secrets.token_hex(8), outs)

    def update(self, _call: Call, _id: str, olds: Props, _news: Props) -> Props:
        return olds


def generate(kind: str) -> dict[str, str]:
    """A new secret of that kind, as the outputs."""
    if kind == "key":
        return {"value": secrets.token_urlsafe(KEY_BYTES), "hash": ""}
    from argon2 import PasswordHasher

    hasher = PasswordHasher(memory_cost=MEMORY_KIB, time_cost=ROUNDS, parallelism=LANES)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    return {"value": password, "hash": hasher.hash(password)}
