"""`python -m ci.tools`: Pulumi and its plug-ins, without the sandbox's other tools.

Versions, addresses and the comparison with the vendor's SHA-256 are the toolchain's. Each binary is
taken from PATH where that has the right version, then from the cache, then from the vendor.
"""

import sys

import toolchain
from ci.environment import TOOLS
from toolchain.errors import CommandError

NAMES = (
    "pulumi",
    "pulumi-language-python",
    "pulumi-resource-kubernetes",
    "pulumi-resource-docker-build",
)


def main() -> int:
    """Exit code 0: they are there; 1 or 2: the message says what failed."""
    try:
        found = toolchain.ensure(NAMES, report=toolchain.ConsoleReporter())
    except CommandError as error:
        print(f"{error.message}\n  {error.hint}", file=sys.stderr)
        return error.exit_code
    toolchain.link_farm(found, TOOLS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
