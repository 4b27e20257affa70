"""`python -m sandbox VERB`: what the Makefile calls."""

import argparse
import shlex
import sys

from sandbox import console, demo, operations, paths, preflight, settings
from toolchain.errors import CommandError


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    verbs = root.add_subparsers(dest="verb", required=True)
    verbs.add_parser("tools", help="find, download or build every binary")
    verbs.add_parser("up", help="start the one-node Kubernetes")
    verbs.add_parser("deploy", help="`pulumi up` of the stack `local`, then a chat through its API")
    verbs.add_parser("hub", help="serve the tiny model to pods, as the hub would")
    pulumi = verbs.add_parser("pulumi", help="Pulumi on the stack `local`: sandbox pulumi preview")
    pulumi.add_argument("arguments", nargs=argparse.REMAINDER)
    verbs.add_parser("status", help="one line a component")
    verbs.add_parser("env", help="print the variables that a shell needs, to eval")
    down = verbs.add_parser("down", help="stop it and remove what it added to the machine")
    down.add_argument("--purge", action="store_true", help="remove the stores of images too")
    return root


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: done; 1: something failed, or the sandbox is not well; 2: refused."""
    given = parser().parse_args(arguments)
    try:
        return _run(given, settings.from_environment())
    except CommandError as error:
        console.failure(error)
        return error.exit_code
    except OSError as error:
        console.failure(CommandError(f"The machine refused: {error}"))
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; `make sandbox-down` cleans up", file=sys.stderr)
        return 130


def _run(given: argparse.Namespace, chosen: settings.Settings) -> int:
    if given.verb in {"status", "down"}:
        preflight.judge_user(preflight.inspect(paths.STATE))
    match given.verb:
        case "tools":
            operations.tools()
        case "up":
            operations.up(chosen)
        case "deploy":
            demo.deploy(chosen)
        case "hub":
            operations.hub(chosen)
        case "pulumi":
            return demo.pulumi(chosen, given.arguments)
        case "status":
            return 0 if operations.status(chosen) else 1
        case "env":
            for name, value in operations.environment().items():
                print(f"export {name}={shlex.quote(value)}")
        case "down":
            operations.down(purge=given.purge)
    return 0
