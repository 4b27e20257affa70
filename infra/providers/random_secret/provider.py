"""Makes a random secret, and its argon2id hash where it is a password.

Pulumi loads this module by name in a process of its own: it must have no effect on import and keep
nothing in `self` (the provider object travels through the state).
"""

import secrets
from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, ResourceProvider, UpdateResult

KEY_BYTES = 48
PASSWORD_BYTES = 15
# What app/auth/passwords.py makes as well: OWASP's first choice for argon2id.
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
MEMORY_KIB, ROUNDS, LANES = 19 * 1024, 2, 1


class GeneratedSecretProvider(ResourceProvider):
    """`kind` is `key` (outputs `value`) or `password` (`value` and `hash`).

    `serial` is what a user changes to get another one.
    """

    def create(self, props: dict[str, Any]) -> CreateResult:
        outs = {"kind": props["kind"], "serial": props["serial"], **made(props["kind"])}
        return CreateResult(id_=secrets.token_hex(8), outs=outs)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        changed = [name for name in ("kind", "serial") if olds.get(name) != news.get(name)]
        return DiffResult(changes=bool(changed), replaces=changed, delete_before_replace=False)

    def update(self, _id: str, olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(outs=olds)


def made(kind: str) -> dict[str, str]:
    """A new secret of that kind."""
    if kind == "key":
        return {"value": secrets.token_urlsafe(KEY_BYTES), "hash": ""}
    from argon2 import PasswordHasher

    hasher = PasswordHasher(memory_cost=MEMORY_KIB, time_cost=ROUNDS, parallelism=LANES)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    return {"value": password, "hash": hasher.hash(password)}
