"""The command line of `rayline`. A verb's module is imported only when the verb is called."""

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DESCRIPTION = "Private LLM serving on Kubernetes: check, preview, deploy and try a stack."
EPILOG = "`rayline VERB --help` describes a verb. Documentation: README.md and docs/."


@dataclass(frozen=True)
class Verb:
    """`module` has `parser(prog)` and `main(arguments, prog=...)`, which returns the exit code."""

    help: str
    module: str


VERBS: Mapping[str, Verb] = {
    "check": Verb("check stack files against every rule, without a cluster", "cli.check"),
    "users": Verb("create password hashes, signing keys and service tokens", "app.users"),
    "preview": Verb("show the changes to a stack, with secrets redacted", "ci.preview"),
    "up": Verb("deploy a stack, optionally only its approved diff", "ci.up"),
    "tools": Verb("install Pulumi and its plug-ins", "ci.tools"),
    "sandbox": Verb("run a one-node Kubernetes with rayline on this machine", "sandbox.cli"),
    "completion": Verb("print a shell's completion script", "cli.completion"),
}


def parser() -> argparse.ArgumentParser:
    """The verbs alone; each has its own parser."""
    root = argparse.ArgumentParser(prog="rayline", description=DESCRIPTION, epilog=EPILOG)
    verbs = root.add_subparsers(dest="verb", metavar="VERB", required=True, title="verbs")
    for name, verb in VERBS.items():
        verbs.add_parser(name, help=verb.help, add_help=False)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """The verb's exit code; 2: no such verb; 130: interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        parser().print_help(sys.stderr)
        return 2
    verb = parser().parse_args(given[:1]).verb
    try:
        called = importlib.import_module(VERBS[verb].module)
        return int(called.main(given[1:], prog=f"rayline {verb}"))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, closed the pipe. Python would report the flush at exit too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
