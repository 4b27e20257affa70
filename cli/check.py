"""Check stack files against every type and rule of the configuration, then against their cluster.

The first part needs this machine alone: no Pulumi engine and no secret; an encrypted value counts
as set. The stack `local` is completed first with what only the sandbox knows. The second part
follows for stacks that are named with -s and have no errors: it reads from the cluster whether `up`
can succeed there, and changes nothing. A cluster that does not answer is a warning, unless
--cluster is given.

Exit code 0: no errors (warnings and hints are allowed); 1: errors; 2: nothing could be checked.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cli import stack_file
from cli.stack_file import StackFile, StackFileError
from infra import rules
from infra.cluster_check.program import Check
from infra.rules import ConfigurationError, Problem
from infra.settings import StackSettings
from infra.settings.framework.edits import as_edits
from infra.settings.raw import read
from toolchain.errors import CommandError

CHECKOUT = Path(__file__).resolve().parents[1]
CLUSTER_SECONDS = 10.0
"""How long the look at one cluster may take."""


@dataclass(frozen=True)
class Checked:
    """The result for one stack file; `cluster` is None if its cluster was not looked at."""

    problems: Sequence[Problem]
    cluster: Check | None = None
    required: bool = False
    """Whether a cluster that does not answer is an error."""

    @property
    def all(self) -> list[Problem]:
        """The problems of both parts."""
        found = [*self.problems, *(self.cluster.problems if self.cluster else ())]
        if self.cluster and not self.cluster.reached:
            severity: Literal["error", "warning"] = "error" if self.required else "warning"
            text = f"was not checked on its cluster: {self.cluster.reason}"
            found.append(Problem(severity, CONTEXT, text))
        return found


CONTEXT = "rayline:cluster.context"


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
    where = root.add_mutually_exclusive_group()
    where.add_argument(
        "--offline", action="store_true", help="do not look at the clusters of the stacks"
    )
    where.add_argument(
        "--cluster",
        action="store_true",
        help="look at the clusters without -s too; one that does not answer is an error",
    )
    root.add_argument("--json", action="store_true", help="print the result as JSON")
    return root


def main(arguments: Sequence[str] | None = None, prog: str = "rayline check") -> int:
    given = parser(prog).parse_args(arguments)
    try:
        paths = chosen(given.stack, Path.cwd())
        looks = given.cluster or (bool(given.stack) and not given.offline)
        found = {path: checked(path, looks=looks, required=given.cluster) for path in paths}
    except (NothingToCheckError, CommandError, OSError) as error:
        text = text_of(error)
        print(f"error: {text}", file=sys.stderr)
        if given.json:
            print(json.dumps({"error": text, "stacks": []}, indent=2))
        return 2
    print(as_json(found) if given.json else as_text(found))
    return 1 if any(p.severity == "error" for each in found.values() for p in each.all) else 0


def text_of(error: Exception) -> str:
    """What to print about an expected error."""
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


def checked(path: Path, *, looks: bool = False, required: bool = False) -> Checked:
    """All problems of one stack file and, if it has no errors and `looks`, of its cluster."""
    settings, problems = configured(path)
    found = _advised(path, problems)
    if not looks or settings is None or any(p.severity == "error" for p in found):
        return Checked(found)
    from infra.cluster_check import program

    with kubeconfig_of(path):
        cluster = program.check(settings, CLUSTER_SECONDS)
    cluster = replace(cluster, problems=tuple(_advised(path, cluster.problems)))
    return Checked(found, cluster, required)


def _advised(path: Path, problems: Sequence[Problem]) -> list[Problem]:
    """Problems with advice for the stack's file: Pulumi does not change that of the sandbox."""
    return [as_edits(each, path.name) if _is_local(path) else each for each in problems]


def configured(path: Path) -> tuple[StackSettings | None, list[Problem]]:
    """The settings of a stack file, if it has any, and what is wrong with them."""
    try:
        found = _read(path)
    except StackFileError as error:
        return None, [Problem("error", path.name, str(error))]
    except RecursionError:
        return None, [Problem("error", path.name, "is nested too deeply, or contains itself")]
    except OSError as error:
        return None, [Problem("error", path.name, f"cannot be read: {error.strerror}")]
    try:
        settings = read(found.texts, found.encrypted, decrypted=False)
    except ConfigurationError as error:
        return None, list(error.problems)
    return settings, rules.check(settings, rules.gather(settings))


@contextmanager
def kubeconfig_of(path: Path) -> Iterator[None]:
    """The sandbox has a kubeconfig of its own, which `pulumi` and `make up` use too."""
    before = os.environ.get("KUBECONFIG")
    if _is_local(path):
        from sandbox import paths

        os.environ["KUBECONFIG"] = str(paths.KUBECONFIG)
    try:
        yield
    finally:
        if _is_local(path):
            os.environ.pop("KUBECONFIG")
            os.environ.update({"KUBECONFIG": before} if before is not None else {})


def _is_local(path: Path) -> bool:
    """Whether it is the only stack whose file is incomplete, and is not changed by Pulumi."""
    return os.path.realpath(path) == str(CHECKOUT / "Pulumi.local.yaml")


def _read(path: Path) -> StackFile:
    content = stack_file.load(path)
    declared = path.parent / "Pulumi.yaml"
    defaults: dict[str, Any] = {}
    if declared.is_file():
        try:
            defaults = stack_file.load(declared)
        except StackFileError as error:
            raise StackFileError(f"belongs to {declared}, which cannot be used: {error}") from None
    if _is_local(path):
        # The sandbox knows its registry and its images.
        from sandbox import local_stack, settings

        sandbox = settings.from_environment()
        content = local_stack.merged(content, local_stack.injected(sandbox), None)
    return stack_file.configuration(content, defaults)


def as_text(found: Mapping[Path, Checked]) -> str:
    """One line per file, per cluster and per problem."""
    lines = []
    for path, each in found.items():
        lines.append(f"{path.name}: {_count(each.problems)}")
        lines += [f"  {problem.severity}: {problem}" for problem in each.problems]
        if each.cluster is None:
            continue
        if not each.cluster.reached:
            problem = each.all[-1]
            lines.append(f"  {problem.severity}: {problem}")
            continue
        version = each.cluster.version or "of unknown version"
        lines.append(
            f"  cluster {each.cluster.context}, Kubernetes {version}: "
            f"{_count(each.cluster.problems)}"
        )
        lines += [f"    {problem.severity}: {problem}" for problem in each.cluster.problems]
        lines += [f"    note: {note}" for note in each.cluster.notes]
        lines += [f"    not checked: {reason}" for reason in each.cluster.skipped]
    return "\n".join(lines)


def _count(problems: Sequence[Problem]) -> str:
    number = sum(problem.severity != "hint" for problem in problems)
    return {0: "no problems", 1: "1 problem"}.get(number, f"{number} problems")


def as_json(found: Mapping[Path, Checked]) -> str:
    """The same for programs: `stacks`, each with `file`, `problems` and `cluster`."""
    stacks = [
        {
            "file": str(path),
            "problems": [
                {
                    "source": "configuration" if number < len(each.problems) else "cluster",
                    "severity": problem.severity,
                    "key": problem.key,
                    "message": problem.message,
                }
                for number, problem in enumerate(each.all)
            ],
            "cluster": _cluster(each.cluster),
        }
        for path, each in found.items()
    ]
    return json.dumps({"stacks": stacks}, indent=2)


def _cluster(found: Check | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "context": found.context,
        "reached": found.reached,
        "version": found.version or None,
        "uid": found.uid or None,
        "notes": list(found.notes),
        "notChecked": list(found.skipped),
    }
