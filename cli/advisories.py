"""Compare what this checkout locks with published advisories about Go modules and Python packages.

A database is a folder or zip file of advisories in OSV's format: the export of osv.dev, Go's
vulnerability database, or PyPA's. Findings that somebody has judged are in supply/accepted.yaml.

Exit code 0: looked, and found nothing that is not accepted; 1: findings; 2: could not look, at all
or at a part: no database, an empty or old one, a version that cannot be compared.
"""

import argparse
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from supply import accepted, locked
from supply.locked import Package
from supply.osv import check, database
from supply.osv.fetch import FetchError, fetch


def parser(prog: str = "rayline advisories") -> argparse.ArgumentParser:
    description, exit_codes = __doc__.rsplit("\n\n", 1)
    root = argparse.ArgumentParser(prog=prog, description=description, epilog=exit_codes)
    root.add_argument(
        "--database", type=Path, action="append", default=[], metavar="PATH",
        help="folder or zip file of advisories; may be repeated",
    )  # fmt: skip
    root.add_argument(
        "--fetch", type=Path, metavar="FOLDER", help="first download osv.dev's export into it"
    )
    root.add_argument(
        "--as-of", type=date.fromisoformat, metavar="YYYY-MM-DD",
        help="the date of a database whose advisories have none, such as a checkout of Go's",
    )  # fmt: skip
    root.add_argument(
        "--max-age", type=int, default=check.OLDEST.days, metavar="DAYS",
        help="how old the newest advisory may be (default: %(default)s)",
    )  # fmt: skip
    root.add_argument(
        "--go", metavar="VERSION",
        help="the Go that builds the tools, such as 1.26.8 (default: that of PATH)",
    )  # fmt: skip
    root.add_argument(
        "--accepted", type=Path, default=accepted.FILE, metavar="FILE", help=argparse.SUPPRESS
    )
    root.add_argument(
        "--verbose",
        action="store_true",
        help="list accepted findings with their reasons too, and packages that no advisory names",
    )
    return root


def main(arguments: Sequence[str] | None = None, prog: str = "rayline advisories") -> int:
    given = parser(prog).parse_args(arguments)
    now = datetime.now(UTC)
    try:
        judged = accepted.read(given.accepted, now.date())
        pinned, notes = _pinned(given.go)
        paths = [*given.database, *(fetch(given.fetch) if given.fetch else ())]
        if not paths:
            print(
                "error: no database was given, so nothing was checked. Type: "
                f"{prog} --fetch FOLDER, or: {prog} --database PATH",
                file=sys.stderr,
            )
            return 2
        wanted = {check.advisory_name(package, judged) for package in pinned}
        known = database.read(paths, wanted)
    except (
        accepted.AcceptedError, locked.LockError, database.DatabaseError, FetchError
    ) as error:  # fmt: skip
        print(f"error: {error}. Nothing was checked.", file=sys.stderr)
        return 2
    limits = check.Limits(oldest=timedelta(days=given.max_age), as_of=given.as_of)
    report = check.check(pinned, known, judged, now, limits)
    _print(report, notes, verbose=given.verbose)
    return report.exit_code


def _pinned(go: str | None) -> tuple[dict[Package, list[str]], list[str]]:
    """Every locked package with its lock files, and notes on what has no version."""
    pinned: dict[Package, list[str]] = defaultdict(list)
    for name, packages in locked.python_sets().items():
        for package in packages:
            pinned[package].append(f"requirements/{name}.txt")
    folders: set[str] = set()
    for name, module in locked.go_modules().items():
        folders.update(module.folders)
        for package in module.packages:
            pinned[package].append(f"toolchain/sources/{name}/go.mod")
    notes = [f"not looked up, because this checkout replaces it by a folder: {each}"
             for each in sorted(folders)]  # fmt: skip
    version = go or _installed_go()
    if version is None:
        notes.append(
            "not looked up: Go's standard library and compiler, as no Go is on PATH. "
            "State the version that builds the tools: --go VERSION"
        )
    else:
        for name in ("stdlib", "toolchain"):
            pinned[Package("Go", name, version)].append("the Go that builds the tools")
    return dict(pinned), notes


def _installed_go() -> str | None:
    try:
        done = subprocess.run(
            ["go", "env", "GOVERSION"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    found = re.match(r"go(\d\S*)", done.stdout)
    return found[1] if found else None


def _print(report: check.Report, notes: Sequence[str], *, verbose: bool) -> None:
    for finding in report.findings:
        print("\n".join(_finding(finding)))
    if verbose:
        for finding in report.accepted:
            print("\n".join(_finding(finding)))
        for package in report.unnamed:
            print(f"named by no advisory: {package}")
    for gap in report.gaps:
        print(f"could not look: {gap}")
    for note in (*notes, *report.notes):
        print(f"note: {note}")
    print(
        f"{len(report.findings)} findings, {len(report.accepted)} accepted; "
        f"{len(report.gaps)} reasons why it could not look"
    )
    if report.findings:
        print(
            "Raise the version, or accept a finding in supply/accepted.yaml with reason and date "
            "(docs/how-to/supply-chain.md)."
        )


def _finding(finding: check.Finding) -> list[str]:
    fixes = ", ".join(finding.fixes) or "none"
    others = ", ".join(sorted(finding.names - {finding.advisory.id}))
    return [
        f"{finding.advisory.id}{f' ({others})' if others else ''}: {finding.package}",
        f"  {finding.advisory.summary}",
        f"  fixed in: {fixes}",
        f"  locked in: {', '.join(finding.where)}",
        *_acceptance(finding),
    ]


def _acceptance(finding: check.Finding) -> list[str]:
    given = finding.acceptance
    if given is None:
        return []
    over = given.expires < datetime.now(UTC).date()
    until = f"acceptance expired on {given.expires}" if over else f"accepted until {given.expires}"
    return [f"  {until}: {given.reason}"]


if __name__ == "__main__":
    sys.exit(main())
