"""Install Pulumi and its plug-ins, without the other tools of the sandbox.

Each binary comes from PATH if that has the right version, else from the cache, else from the
vendor (and must match the vendor's SHA-256), else from a build of its pinned sources.

Exit code 0: every tool is available; 1: a download and its build failed; 2: this machine or its
settings do not allow it.
"""

import argparse
import sys
from collections.abc import Sequence

import toolchain
from toolchain import pulumi
from toolchain.errors import CommandError
from toolchain.paths import TOOLS_BIN

NAMES = (
    "pulumi",
    "pulumi-language-python",
    "pulumi-resource-kubernetes",
    "pulumi-resource-docker-build",
)


def parser(prog: str = "python -m ci.tools") -> argparse.ArgumentParser:
    """The parser of the command line; `rayline` uses it too."""
    description, exit_codes = __doc__.rsplit("\n\n", 1)
    return argparse.ArgumentParser(prog=prog, description=description, epilog=exit_codes)


def main(arguments: Sequence[str] | None = None, prog: str = "python -m ci.tools") -> int:
    """Install the tools and return the exit code."""
    parser(prog).parse_args(arguments)
    try:
        found = toolchain.ensure(NAMES, report=toolchain.ConsoleReporter())
    except CommandError as error:
        print(f"{error.message}\n  {error.hint}", file=sys.stderr)
        return error.exit_code
    pulumi.link(found, TOOLS_BIN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
