"""Print the shell variables with which `pulumi` and `rayline` of this checkout are used.

eval "$(.venv/bin/rayline env)"
"""

import argparse
import os
import shlex
from collections.abc import Sequence

from ci.environment import TOOLS
from toolchain import pulumi
from toolchain.paths import CHECKOUT


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
    ours = [str(CHECKOUT / ".venv" / "bin"), str(TOOLS)]
    users = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = [*ours, *(folder for folder in users if folder not in ours)]
    return {"PATH": os.pathsep.join(path), **pulumi.environment()}
