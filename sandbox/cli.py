"""Runs a one-node Kubernetes with registry and BuildKit on this machine, and rayline on it."""

import argparse
import shlex
import sys

from sandbox import console, demo, operations, paths, preflight, settings, shell
from toolchain.errors import CommandError


def parser(prog: str = "python -m sandbox") -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog=prog, description=__doc__)
    verbs = root.add_subparsers(dest="verb", required=True)
    verbs.add_parser("tools", help="find, download or build every binary")
    verbs.add_parser("up", help="start the one-node Kubernetes")
    verbs.add_parser("deploy", help="run `pulumi up` on the stack `local`, then chat with its API")
    verbs.add_parser("hub", help="serve the tiny model to pods as the Hugging Face Hub would")
    pulumi = verbs.add_parser(
        "pulumi", help=f"run Pulumi on the stack `local`, for example: {prog} pulumi preview"
    )
    pulumi.add_argument("arguments", nargs=argparse.REMAINDER, help="Pulumi's command and options")
    verbs.add_parser("status", help="print one line per component")
    verbs.add_parser("env", help=f'print shell variables: eval "$({prog} env)"')
    down = verbs.add_parser("down", help="stop it and remove what it added to the machine")
    down.add_argument("--purge", action="store_true", help="remove the image stores as well")
    return root


def main(arguments: list[str] | None = None, prog: str = "python -m sandbox") -> int:
    """Exit code 0: done; 1: something failed, or the sandbox is not healthy; 2: refused."""
    options = parser(prog).parse_args(arguments)
    try:
        return _run(options, settings.from_environment())
    except CommandError as error:
        console.failure(error)
        return error.exit_code
    except OSError as error:
        console.failure(CommandError(f"The operating system refused an operation: {error}"))
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; clean up with: make sandbox-down", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace, chosen: settings.Settings) -> int:
    if options.verb in {"status", "down"}:
        preflight.check_host(preflight.inspect(paths.STATE))
    match options.verb:
        case "tools":
            operations.tools(tests=True)
        case "up":
            operations.up(chosen)
        case "deploy":
            demo.deploy(chosen)
        case "hub":
            operations.hub(chosen)
        case "pulumi":
            return demo.pulumi(chosen, options.arguments)
        case "status":
            return 0 if operations.status(chosen) else 1
        case "env":
            for name, value in shell.environment().items():
                print(f"export {name}={shlex.quote(value)}")
        case "down":
            operations.down(purge=options.purge)
    return 0
