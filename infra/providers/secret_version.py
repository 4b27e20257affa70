"""SecretVersion: how often a secret value has changed, as a number that is not secret.

What reads a secret only at its start has to restart when the secret changes, so its configuration
must differ. A digest of the secret would do, but would let anyone who reads it test guesses of a
weak one, and would have restarted everything when rayline began to use it. A count reveals nothing
and starts at 0. docs/how-to/rotate-keys.md
"""

import hashlib
from dataclasses import dataclass

import pulumi

from infra.providers.common.call import Call
from infra.providers.common.properties import Props, differing, only
from infra.providers.common.provider import Checked, Created, Diff, Provider

TYPE = "rayline:index:SecretVersion"
VERSION = "version"


@dataclass(frozen=True, kw_only=True)
class SecretVersionArgs:
    """Which secret to observe."""

    secret: pulumi.Output[str]
    """The state keeps only its digest, encrypted."""


class SecretVersion(pulumi.CustomResource):
    """The count of one secret's changes."""

    version: pulumi.Output[int]
    """0 until the secret changes for the first time."""

    def __init__(
        self, name: str, args: SecretVersionArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        digest: pulumi.Output[str] = pulumi.Output.secret(args.secret.apply(_digest))
        super().__init__(TYPE, name, {"digest": digest, VERSION: None}, opts)


class SecretVersionProvider(Provider):
    """Counts in `check`, so that a preview already shows what will restart."""

    type = TYPE

    def check(self, olds: Props, news: Props) -> Checked:
        """A digest that a preview does not know yet will be a different one."""
        changed = "digest" in olds and bool(differing(olds, news, ("digest",)))
        return Checked({**news, VERSION: int(olds.get(VERSION, 0)) + changed})

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        return Diff(bool(differing(olds, news, (VERSION,))))

    def create(self, _call: Call, props: Props) -> Created:
        return Created(VERSION, only(props, (VERSION,)))

    def update(self, _call: Call, _id: str, _olds: Props, news: Props) -> Props:
        return only(news, (VERSION,))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
