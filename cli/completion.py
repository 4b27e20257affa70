"""Print a completion script for bash or zsh, which completes verbs, options and stacks.

Bash: add `eval "$(rayline completion bash)"` to ~/.bashrc. Zsh: write the script to a file named
`_rayline` in a folder of $fpath. The script is static, so completing does not start Python.
"""

import argparse
import importlib
from collections.abc import Mapping, Sequence

import shtab

from cli.main import DESCRIPTION, EPILOG, VERBS

SHELLS = ("bash", "zsh")
STACKS: Mapping[str, str] = {"bash": "_rayline_stacks", "zsh": "_rayline_stacks"}
PREAMBLE = {
    "bash": """
_rayline_stacks() {
  local file
  for file in Pulumi.*.yaml; do
    [ -e "$file" ] || continue
    file="${file#Pulumi.}"
    compgen -W "${file%.yaml}" -- "$1"
  done
}
""",
    "zsh": """
_rayline_stacks() {
  local -a stacks
  stacks=(Pulumi.*.yaml(N))
  stacks=(${${stacks#Pulumi.}%.yaml})
  compadd -a stacks
}
""",
}


def parser(prog: str = "rayline completion") -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog=prog, description=__doc__)
    root.add_argument("shell", choices=SHELLS, help="the shell that reads the script")
    return root


def main(arguments: Sequence[str] | None = None, prog: str = "rayline completion") -> int:
    """Exit code 0: the script is on standard output."""
    given = parser(prog).parse_args(arguments)
    print(shtab.complete(whole(), given.shell, preamble=PREAMBLE[given.shell]))
    return 0


def whole() -> argparse.ArgumentParser:
    """One parser with the options of every verb, which `rayline` itself never needs."""
    root = argparse.ArgumentParser(prog="rayline", description=DESCRIPTION, epilog=EPILOG)
    verbs = root.add_subparsers(dest="verb", metavar="VERB")
    for name, verb in VERBS.items():
        own = importlib.import_module(verb.module).parser(f"rayline {name}")
        for action in own._actions:
            if action.dest == "stack":
                action.complete = STACKS
        verbs.add_parser(name, help=verb.help, parents=[own], add_help=False)
    return root
