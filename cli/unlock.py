"""Unlock a stack whose `pulumi up` was killed, so that the next `up` can go on.

A killed run leaves its lock, and the operations that it had begun, in the state. This command
removes both and changes nothing in the cluster: the next `up` finds what the killed run has made.
It refuses while the run that holds the lock may still be alive.

Exit code 0: unlocked, or not locked; 1: Pulumi failed; 2: refused, or an argument is wrong.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.errors import CIError
from ci.preview import stack
from toolchain.errors import CommandError, UserError
from toolchain.paths import CHECKOUT

LOCAL = "local"
_HOLDER = re.compile(r"created by (\S+)@(\S+) \(pid (\d+)\) at (\S+)")
"""A line of Pulumi's refusal, one per lock: pkg/backend/diy/lock.go in pulumi/pulumi v3.259.0."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs Pulumi on the stack with the given arguments; `stdin` is its standard input."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock."""

    user: str
    host: str
    pid: int
    since: str

    def alive(self) -> bool | None:
        """Whether the process runs; None on another machine, where this cannot be known."""
        if self.host != socket.gethostname():
            return None
        try:
            return Path("/proc", str(self.pid), "comm").read_text().strip() == "pulumi"
        except OSError:
            return False

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, process {self.pid}, since {self.since}"


def parser(prog: str = "rayline unlock") -> argparse.ArgumentParser:
    description, exit_codes = __doc__.rsplit("\n\n", 1)
    root = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=exit_codes,
    )
    root.add_argument(
        *("-s", "--stack"), required=True, type=stack, metavar="NAME", help="the stack to unlock"
    )
    root.add_argument(
        "--yes", action="store_true", help="unlock although a run on another machine holds the lock"
    )
    return root


def main(arguments: Sequence[str] | None = None, prog: str = "rayline unlock") -> int:
    given = parser(prog).parse_args(arguments)
    try:
        print(unlock(given.stack, _runner(given.stack), force=given.yes))
    except CommandError as error:
        print(f"error: {error.message}\n  {error.hint}".rstrip(), file=sys.stderr)
        return error.exit_code
    except CIError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def unlock(name: str, run: Run, *, force: bool) -> str:
    """Remove lock and begun operations. Returns a sentence for the user; CommandError if
    it fails, UserError if the run that holds the lock may be alive."""
    held = ""
    state = _export(name, run)
    # Importing a state takes the lock, and drops the operations that were begun.
    done = run("stack", "import", stdin=state)
    if done.returncode and "currently locked" in done.stderr:
        holders = [Holder(u, h, int(p), t) for u, h, p, t in _HOLDER.findall(done.stderr)]
        _refuse_living(name, holders, force=force)
        held = f" It was held by {'; '.join(map(str, holders))}." if holders else ""
        _succeed(run("cancel", "--yes"), f"the lock of {name} could not be removed")
        done = run("stack", "import", stdin=_export(name, run))
    _succeed(done, f"the state of {name} could not be written")
    begun = len(re.findall(r"removing pending operation", done.stderr))
    if not held and not begun:
        return f"{name} is not locked, and no operation was interrupted. Nothing was changed."
    operations = {0: "No operation was", 1: "1 operation was"}.get(
        begun, f"{begun} operations were"
    )
    return (
        f"{name} is unlocked.{held} {operations} interrupted; the next `up` continues: "
        f"{'make up' if name == LOCAL else f'pulumi up -s {name}'}"
    )


def _refuse_living(name: str, holders: Sequence[Holder], *, force: bool) -> None:
    for holder in holders:
        alive = holder.alive()
        if alive:
            raise UserError(
                f"{name} is being changed now: {holder}.",
                f"Wait for it, or interrupt it once with Ctrl-C in its terminal or with: "
                f"kill -INT {holder.pid}",
            )
        if alive is None and not force:
            raise UserError(
                f"{name} is locked by a run on another machine: {holder}.",
                f"If you know that it has ended, type: rayline unlock -s {name} --yes",
            )


def _export(name: str, run: Run) -> str:
    done = run("stack", "export")
    _succeed(done, f"the state of {name} could not be read")
    return done.stdout


def _succeed(done: "subprocess.CompletedProcess[str]", what: str) -> None:
    if done.returncode:
        raise CommandError(f"{what}: {done.stderr.strip()}", "")


def _runner(name: str) -> Run:
    if name == LOCAL:
        from sandbox import settings
        from sandbox.local_stack import LocalStack

        local = LocalStack()
        local.prepare(settings.from_environment())
        return lambda *arguments, stdin=None: local.run(*arguments, capture=True, stdin=stdin)

    from cli.env import variables

    environ = os.environ | variables()

    def run(*arguments: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [_pulumi(environ), *arguments, "--stack", name, "--non-interactive"],
            cwd=CHECKOUT,
            env=environ,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def _pulumi(environ: dict[str, str]) -> str:
    from ci import environment

    return environment.pulumi(environ)
