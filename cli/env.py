"""Print the shell variables with which `pulumi` and `rayline` of this checkout are used.

eval "$(.venv/bin/rayline env)"
"""

import argparse
import os
import shlex
from collections.abc import Sequence

from toolchain import pulumi
from toolchain.paths import CHECKOUT, TOOLS_BIN, search_path


def parser(prog: str = "rayline env") -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=prog,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def main(arguments: Sequence[str] | None = None, prog: str = "rayline env") -> int:
    parser(prog).parse_args(arguments)
    for name, value in variables().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def variables() -> dict[str, str]:
    """PATH begins with the checkout's folders, once each, however often the command is called."""
    path = search_path(os.environ, CHECKOUT / ".venv" / "bin", TOOLS_BIN)
    return {"PATH": path, **pulumi.environment()}
