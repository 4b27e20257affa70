"""Show what really runs: one line per model, replica, pod, node and card of a stack.

It asks Ray about the models, and Kubernetes about pods and nodes, and compares them with the
stack's file. It needs no Pulumi and no secret of the stack, and changes nothing.

Exit code 0: everything runs as the file says; 1: something does not, and the last lines say what
and what to type; 2: nobody could look: no such stack, an error in its file, or a cluster that does
not answer.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cli import check
from toolchain.errors import CommandError


class NotLookedError(Exception):
    """The text says why, and what to type."""


def parser(prog: str = "rayline status") -> argparse.ArgumentParser:
    description, exit_codes = __doc__.rsplit("\n\n", 1)
    root = argparse.ArgumentParser(prog=prog, description=description, epilog=exit_codes)
    root.add_argument(
        *("-s", "--stack"),
        required=True,
        metavar="STACK",
        help="a stack's name or the path of its file",
    )
    root.add_argument(
        "--json", action="store_true", help="print JSON (docs/reference/status.schema.json)"
    )
    return root


def main(arguments: Sequence[str] | None = None, prog: str = "rayline status") -> int:
    given = parser(prog).parse_args(arguments)
    try:
        (path,) = check.chosen([given.stack], Path.cwd())
        return _shown(path, as_json=given.json)
    except (NotLookedError, check.NothingToCheckError, CommandError, OSError) as error:
        text = check.text_of(error)
        if isinstance(error, check.NothingToCheckError):
            text = text.replace("rayline check -s", f"{prog} -s")
        print(f"error: {text}", file=sys.stderr)
        if given.json:
            print(json.dumps({"error": text}, indent=2))
        return 2


def _shown(path: Path, *, as_json: bool) -> int:
    settings, problems = check.configured(path)
    stack = path.stem.removeprefix("Pulumi.")
    if settings is None:
        raise NotLookedError(
            f"{path.name} has errors: {'; '.join(map(str, problems))}. "
            f"Type: rayline check -s {stack}"
        )
    # They import Pulumi's SDK, which takes half a second.
    from cli.status import judge, look
    from infra.providers.common.looking import UnreachableError

    with check.kubeconfig_of(path):
        try:
            looked = look.look(settings)
        except UnreachableError as error:
            raise NotLookedError(str(error)) from error
    report = judge.report(settings, stack, looked)
    print(report.json_text() if as_json else report.text())
    return 0 if report.as_wanted else 1
