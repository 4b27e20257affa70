"""Create password hashes, signing keys and service tokens, and check the files of an
auth-config.

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

from app.access import roles
from app.auth import config, files, passwords, source, tokens

STORE_HASH = "pulumi config set --secret --path 'rayline:userHashes.<name>'"
STORE_KEY = "pulumi config set --secret rayline:jwtKey"
PROG = "python -m app.users"


def main(
    arguments: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    prog: str = PROG,
) -> int:
    """Run one command; the exit status: 0 success, 1 `check` found a warning, 2 an error."""
    options = parser(prog).parse_args(arguments)
    try:
        if options.command == "hash":
            return _hash()
        if options.command == "key":
            print(secrets.token_urlsafe(48))
            return 0
        values = _values(options.auth_config, environ)
        if options.command == "service-token":
            return _service_token(values, options.name, options.role, options.days)
        return _check(values)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def parser(prog: str = PROG) -> argparse.ArgumentParser:
    """The command line, under the name that the user typed."""
    root = argparse.ArgumentParser(prog=prog, description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "hash",
        help="hash a user's password (argon2id)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Asks for a password, or reads one line of standard input, and prints its\n"
        f"argon2id hash. To store it for a stack:\n  {prog} hash | {STORE_HASH}",
    )
    commands.add_parser(
        "key",
        help="create a key that signs tokens",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Prints a new random key. To store it for a stack:\n"
        f"  {prog} key | {STORE_KEY}",
    )
    token = commands.add_parser(
        "service-token",
        help="create a long-lived token for a program",
        description="Prints a token for a program, signed with the key of the auth-config "
        "(JWT_KEY). Standard error shows its id, by which it can be revoked.",
    )
    token.add_argument("--name", required=True, help="the program, for example open-webui")
    token.add_argument("--role", required=True, help="admin, user, guest or a role of `ROLES`")
    token.add_argument(
        "--days", type=int, default=365, help="lifetime in days (default: %(default)s)"
    )
    check = commands.add_parser(
        "check",
        help="report errors and weaknesses of an auth-config",
        description="Lists the users of an auth-config and reports its errors and weaknesses.",
    )
    for command in (token, check):
        command.add_argument(
            "--auth-config",
            metavar="FOLDER",
            help=f"folder with the auth-config (default: ${source.FOLDER_VARIABLE}, else "
            f"{source.DEFAULT_FOLDER} if it exists, else the environment)",
        )
    return root


def _values(folder: str | None, environ: Mapping[str, str]) -> Mapping[str, str]:
    chosen = {**environ, source.FOLDER_VARIABLE: folder} if folder else environ
    path = source.folder(chosen)
    return environ if path is None else files.read_whole(path)


def _hash() -> int:
    try:
        print(passwords.hash_password(_password()))
    except EOFError:
        raise ValueError("no password was given") from None
    except UnicodeError:
        raise ValueError("the password is not text in the encoding of this terminal") from None
    return 0


def _password() -> str:
    if sys.stdin is None:  # closed, as by `<&-`
        raise EOFError
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Repeat the password: "):
            raise ValueError("the two passwords differ")
        return password
    return sys.stdin.readline().rstrip("\r\n")


def _service_token(values: Mapping[str, str], name: str, role: str, days: int) -> int:
    known = roles.parse(values.get("ROLES", ""))
    if role not in known:
        raise ValueError(f"the role is {role!r}; allowed: {', '.join(known)}")
    key = config.parse_keys(values)[0]
    token, token_id = tokens.service_token(key, name, role, days, time.time())
    print(token)
    print(
        f"id {token_id}, valid for {days} days. To revoke it in a stack, append the id to the "
        "list rayline:auth.revokedServiceTokens, for example\n"
        f"  pulumi config set --path 'rayline:auth.revokedServiceTokens[0]' {token_id}\n"
        "where [0] stands for the first free index. To revoke every token of this program, append "
        f"its name, {name}, instead of the id.",
        file=sys.stderr,
    )
    return 0


def _check(values: Mapping[str, str]) -> int:
    parsed = config.parse(values)
    print(
        f"{len(parsed.users)} users, {len(parsed.keys)} keys, "
        f"tokens valid for {parsed.token_minutes} minutes"
    )
    for user in parsed.users.values():
        print(f"  {user.username}: {user.role}")
    for warning in parsed.warnings:
        print(f"warning: {warning}")
    return 1 if parsed.warnings else 0


if __name__ == "__main__":
    sys.exit(main())
