"""`python -m app.users`: password hashes, signing keys, service tokens, and a check of them all.

Secrets are read from the terminal or standard input and never from arguments, which other
processes can see.
"""

import argparse
import getpass
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence

from app.auth import config, passwords, source, tokens


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run one command; the exit status: 0 good, 1 a warning of `check`, 2 an error."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "hash":
            return _hash()
        if given.command == "key":
            print(secrets.token_urlsafe(48))
            return 0
        values = _values(given.auth_config, environ)
        if given.command == "service-token":
            return _service_token(values, given.name, given.role, given.days)
        return _check(values)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app.users", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("hash", help="argon2id hash of a password, for {ALIAS}_HASHED_PASSWORD")
    commands.add_parser("key", help="a new random key, for JWT_KEY")
    token = commands.add_parser("service-token", help="a long-lived token for a program")
    token.add_argument("--name", required=True, help="who will use it, for example open-webui")
    token.add_argument("--role", required=True, help="admin, user, guest or one of ROLES")
    token.add_argument("--days", type=int, default=365, help="its life (default: %(default)s)")
    check = commands.add_parser("check", help="say what is wrong or weak in an auth-config")
    for command in (token, check):
        command.add_argument(
            "--auth-config",
            metavar="FOLDER",
            help=f"folder of files (default: ${source.FOLDER_VARIABLE}, {source.DEFAULT_FOLDER} "
            "or the environment)",
        )
    return parser


def _values(folder: str | None, environ: Mapping[str, str]) -> Mapping[str, str]:
    chosen = {**environ, source.FOLDER_VARIABLE: folder} if folder else environ
    path = source.folder(chosen)
    return environ if path is None else source.read(path)


def _hash() -> int:
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Again: "):
            raise ValueError("the two passwords differ")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    print(passwords.hash_password(password))
    return 0


def _service_token(values: Mapping[str, str], name: str, role: str, days: int) -> int:
    roles = config.parse_roles(values)
    if role not in roles:
        raise ValueError(f"the role is {role!r}; allowed: {', '.join(roles)}")
    key = config.parse_keys(values)[0]
    token, token_id = tokens.service_token(key, name, role, days, time.time())
    print(token)
    print(
        f"id {token_id}, {days} days. To revoke it, put the id (or {name}, for all of that name) "
        "into REVOKED_SERVICE_TOKENS.",
        file=sys.stderr,
    )
    return 0


def _check(values: Mapping[str, str]) -> int:
    found = config.parse(values)
    print(f"{len(found.users)} users, {len(found.keys)} keys, {found.token_minutes} min a token")
    for user in found.users.values():
        print(f"  {user.username}: {user.role}")
    for warning in found.warnings:
        print(f"warning: {warning}")
    return 1 if found.warnings else 0


if __name__ == "__main__":
    sys.exit(main())
