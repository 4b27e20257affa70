"""The command line of `rayline`. A verb's module is imported only when the verb is called."""

import argparse
import importlib
import io
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


PARTS = ("app", "ci", "cli", "infra", "sandbox", "supply", "toolchain")

VERBS: Mapping[str, Verb] = {
    "check": Verb("check stack files against every rule, and their clusters", "cli.check"),
    "status": Verb("show what really runs, beside what a stack wants", "cli.status.command"),
    "facts": Verb("write a model's sizes from the hub into stack files", "cli.facts"),
    "users": Verb("create password hashes, signing keys and service tokens", "app.users"),
    "preview": Verb("show the changes to a stack, with secrets redacted", "ci.preview"),
    "up": Verb("deploy a stack, optionally only its approved diff", "ci.up"),
    "unlock": Verb("unlock a stack whose `up` was killed", "cli.unlock"),
    "sbom": Verb("write what the program or the image consists of (CycloneDX)", "cli.sbom"),
    "advisories": Verb("compare locked versions with published advisories", "cli.advisories"),
    "env": Verb('print shell variables: eval "$(rayline env)"', "cli.env"),
    "tools": Verb("install Pulumi and its plug-ins", "ci.tools"),
    "sandbox": Verb("run a one-node Kubernetes with rayline on this machine", "sandbox.cli"),
    "completion": Verb("print a shell's completion script", "cli.completion"),
}


def parser() -> argparse.ArgumentParser:
    """The verbs alone; each has its own parser."""
    root = argparse.ArgumentParser(prog="rayline", description=DESCRIPTION, epilog=EPILOG)
    verbs = root.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for name, verb in VERBS.items():
        verbs.add_parser(name, help=verb.help, add_help=False)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """The verb's exit code; 2: no such verb, or a package is missing; 130: interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A stack file's texts can hold characters that the terminal's encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            return _run(given)
        finally:
            _flush()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 141  # the reader, such as `head`, has enough
    except ModuleNotFoundError as error:
        name = error.name or str(error)
        if name.partition(".")[0] in PARTS:
            raise
        print(
            f"error: the Python environment {sys.prefix} lacks the package {name}. "
            "Type: make setup",
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(given: Sequence[str]) -> int:
    verb = parser().parse_args(given[:1]).verb
    if verb is None:
        parser().print_help(sys.stderr)
        return 2
    called = importlib.import_module(VERBS[verb].module)
    return int(called.main(given[1:], prog=f"rayline {verb}"))


def _flush() -> None:
    """Write what is buffered. At exit, Python could report a failure only as a stack trace."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        # Python flushes once more at exit, which must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise
