"""Check stack files against every type and rule of the configuration, on this machine alone.

It needs no cluster, no Pulumi engine and no secret; an encrypted value counts as set. The stack
`local` is completed first with what only the sandbox knows.

Exit code 0: no errors (warnings are allowed); 1: errors; 2: nothing could be checked.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli import stack_file
from cli.stack_file import StackFile, StackFileError
from infra import rules
from infra.rules import ConfigurationError, Problem
from infra.settings.framework.edits import as_edits
from infra.settings.raw import read
from toolchain.errors import CommandError

CHECKOUT = Path(__file__).resolve().parents[1]


class NothingToCheckError(Exception):
    """There is no such stack file; the message lists the existing ones."""


def parser(prog: str = "rayline check") -> argparse.ArgumentParser:
    description, exit_codes = __doc__.rsplit("\n\n", 1)
    root = argparse.ArgumentParser(prog=prog, description=description, epilog=exit_codes)
    root.add_argument(
        *("-s", "--stack"),
        action="append",
        metavar="STACK",
        help="a stack's name or the path of its file; repeat it for several "
        "(default: every Pulumi.<stack>.yaml of the project)",
    )
    root.add_argument("--json", action="store_true", help="print the result as JSON")
    return root


def main(arguments: Sequence[str] | None = None, prog: str = "rayline check") -> int:
    given = parser(prog).parse_args(arguments)
    try:
        found = {path: problems(path) for path in chosen(given.stack, Path.cwd())}
    except (NothingToCheckError, CommandError, OSError) as error:
        text = _text(error)
        print(f"error: {text}", file=sys.stderr)
        if given.json:
            print(json.dumps({"error": text, "stacks": []}, indent=2))
        return 2
    print(as_json(found) if given.json else as_text(found))
    return 1 if any(p.severity == "error" for each in found.values() for p in each) else 0


def _text(error: Exception) -> str:
    if isinstance(error, CommandError):
        return f"{error.message} {error.hint}".strip()
    if isinstance(error, OSError):
        return f"{error.filename or 'the working directory'}: {error.strerror}"
    return str(error)


def chosen(names: Sequence[str] | None, here: Path) -> list[Path]:
    """The files of the named stacks, or all of the project's."""
    folder = stack_file.project(here) or CHECKOUT
    known = stack_file.stacks(folder)
    if not known and not names:
        raise NothingToCheckError(
            f"there is no stack file in {folder}. Type: pulumi stack init dev, "
            "then: pulumi config set --path 'rayline:cluster.context' <context>"
        )
    return [_file(name, folder, known) for name in names or known]


def _file(name: str, folder: Path, known: Mapping[str, Path]) -> Path:
    if Path(name).suffix in (".yaml", ".yml") and Path(name).is_file():
        return Path(name)
    # Pulumi names the file after the last part of organisation/project/stack.
    stack = name.rpartition("/")[2]
    if stack in known:
        return known[stack]
    example = f" Type: rayline check -s {next(iter(known))}" if known else ""
    raise NothingToCheckError(
        f"{name!r} is neither a stack of {folder} nor a YAML file; stacks: "
        f"{', '.join(known) or 'none'}.{example}"
    )


def problems(path: Path) -> list[Problem]:
    """All problems of one stack file, errors and warnings."""
    found = _problems(path)
    return [as_edits(each, path.name) for each in found] if _of_sandbox(path) else found


def _of_sandbox(path: Path) -> bool:
    """Whether it is the only stack whose file is incomplete, and is not changed by Pulumi."""
    return os.path.realpath(path) == str(CHECKOUT / "Pulumi.local.yaml")


def _problems(path: Path) -> list[Problem]:
    try:
        found = _read(path)
    except StackFileError as error:
        return [Problem("error", path.name, str(error))]
    except RecursionError:
        return [Problem("error", path.name, "is nested too deeply, or contains itself")]
    except OSError as error:
        return [Problem("error", path.name, f"cannot be read: {error.strerror}")]
    try:
        settings = read(found.texts, found.encrypted, decrypted=False)
    except ConfigurationError as error:
        return list(error.problems)
    return rules.check(settings, rules.gather(settings))


def _read(path: Path) -> StackFile:
    content = stack_file.load(path)
    declared = path.parent / "Pulumi.yaml"
    defaults: dict[str, Any] = {}
    if declared.is_file():
        try:
            defaults = stack_file.load(declared)
        except StackFileError as error:
            raise StackFileError(f"belongs to {declared}, which cannot be used: {error}") from None
    if _of_sandbox(path):
        # The sandbox knows its registry and its images.
        from sandbox import local_stack, settings

        sandbox = settings.from_environment()
        content = local_stack.merged(content, local_stack.injected(sandbox), None)
    return stack_file.configuration(content, defaults)


def as_text(found: Mapping[Path, Sequence[Problem]]) -> str:
    """One line per file and per problem."""
    lines = []
    for path, each in found.items():
        count = {0: "no problems", 1: "1 problem"}.get(len(each), f"{len(each)} problems")
        lines.append(f"{path.name}: {count}")
        lines += [f"  {problem.severity}: {problem}" for problem in each]
    return "\n".join(lines)


def as_json(found: Mapping[Path, Sequence[Problem]]) -> str:
    """The same for programs: `stacks`, each with `file` and `problems`."""
    stacks = [
        {
            "file": str(path),
            "problems": [
                {"severity": each.severity, "key": each.key, "message": each.message}
                for each in problems
            ],
        }
        for path, problems in found.items()
    ]
    return json.dumps({"stacks": stacks}, indent=2)
