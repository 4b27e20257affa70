"""Compares locked packages with a database, and says what it could not compare.

A clean result means that advisories about these packages were there to be read. Whatever stands
in the way of that is a gap, and a gap is no success.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from supply.accepted import Acceptance, Accepted
from supply.locked import Ecosystem, Package
from supply.osv.database import Database, Name
from supply.osv.records import Advisory
from supply.osv.versions import IncomparableError

ECOSYSTEMS: tuple[Ecosystem, ...] = ("Go", "PyPI")
FEWEST = 1000
"""Advisories of an ecosystem, below which the database is not the whole one: in 2026, Go's had
4300, and PyPI's more."""
OLDEST = timedelta(days=30)


@dataclass(frozen=True)
class Finding:
    """A locked version that an advisory concerns. `where`: the lock files that pin it; `fixes`: the
    versions that the advisory names as fixed, none if there is no fix; `names`: all identifiers of
    the flaw in the database; `acceptance`: that of the file, even if it has expired."""

    package: Package
    where: tuple[str, ...]
    advisory: Advisory
    fixes: tuple[str, ...]
    names: frozenset[str]
    acceptance: Acceptance | None = None


@dataclass(frozen=True)
class Report:
    """`gaps`: why the check could not look; `notes`: what a reader must know about its reach;
    `unnamed`: packages that no advisory names."""

    findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    gaps: tuple[str, ...]
    notes: tuple[str, ...]
    unnamed: tuple[Package, ...]

    @property
    def exit_code(self) -> int:
        """0: looked, and found nothing that is not accepted; 1: findings; 2: could not look."""
        if self.findings:
            return 1
        return 2 if self.gaps else 0


@dataclass(frozen=True)
class Limits:
    """What a database must be to count. `as_of`: the date of a database that has none itself."""

    fewest: int = FEWEST
    oldest: timedelta = OLDEST
    as_of: date | None = None


def advisory_name(package: Package, accepted: Accepted) -> Name:
    """What advisories call the package."""
    name = accepted.same_as.get(package.name, package.name)
    return package.ecosystem, name


def check(
    pinned: Mapping[Package, Sequence[str]],
    database: Database,
    accepted: Accepted,
    now: datetime,
    limits: Limits,
) -> Report:
    """Compare `pinned`, every package with the lock files that name it, with the database."""
    by_name: dict[Name, list[Advisory]] = {}
    for advisory in database.advisories:
        for name in advisory.affected:
            by_name.setdefault(name, []).append(advisory)
    gaps = [*_database_gaps(pinned, database, accepted, now, limits)]
    gaps += [f"an advisory cannot be read: {what}" for what in database.unreadable.values()]
    found: list[Finding] = []
    used: set[tuple[str, str]] = set()
    for package in sorted(pinned):
        name = advisory_name(package, accepted)
        for advisory in by_name.get(name, ()):
            used |= {(package.name, each) for each in advisory.names}
            try:
                # A list, so that one comparable part does not hide another that is not.
                hits = [
                    part
                    for part in advisory.affected[name]
                    if part.concerns(package.ecosystem, package.version)
                ]
            except IncomparableError as why:
                acceptance = _acceptance(package, advisory.names, accepted)
                if not _is_valid(acceptance, now.date()):
                    gaps.append(f"{package} cannot be compared with {advisory.id}: {why}")
                continue
            if hits:
                fixes = tuple(dict.fromkeys(fix for part in hits for fix in part.fixes))
                where = tuple(pinned[package])
                found.append(Finding(package, where, advisory, fixes, advisory.names))
    fine: list[Finding] = []
    open_: list[Finding] = []
    for each in _once(found):
        judged = replace(each, acceptance=_acceptance(each.package, each.names, accepted))
        (fine if _is_valid(judged.acceptance, now.date()) else open_).append(judged)
    unused = (
        f"{advisory} of {each.package}"
        for each in accepted.accepted
        for advisory in each.advisories
        if (each.package, advisory) not in used
    )
    notes = (*_reach(pinned, database, accepted), *(f"no longer needed: {each}" for each in unused))
    unnamed = (p for p in sorted(pinned) if advisory_name(p, accepted) not in database.named)
    return Report(tuple(open_), tuple(fine), tuple(gaps), notes, tuple(unnamed))


def _database_gaps(
    pinned: Mapping[Package, Sequence[str]],
    database: Database,
    accepted: Accepted,
    now: datetime,
    limits: Limits,
) -> Iterable[str]:
    for ecosystem in ECOSYSTEMS:
        ours = {advisory_name(p, accepted) for p in pinned if p.ecosystem == ecosystem}
        if not ours:
            continue
        count = database.counts.get(ecosystem, 0)
        if count < limits.fewest:
            yield (
                f"the database has {count} advisories about {ecosystem}; a whole one has more than "
                f"{limits.fewest}. None of {len(ours)} packages was checked for certain"
            )
        elif not ours & database.named:
            yield (
                f"no advisory about {ecosystem} names any of {len(ours)} locked packages, so the "
                "database does not fit"
            )
        newest = database.newest.get(ecosystem)
        if newest is None and limits.as_of is not None:
            newest = datetime.combine(limits.as_of, datetime.min.time(), now.tzinfo)
        if count and newest is None:
            yield (
                f"the advisories about {ecosystem} have no dates, so their age is unknown. State "
                "the date of the database: --as-of YYYY-MM-DD"
            )
        elif newest is not None and now - newest > limits.oldest:
            yield (
                f"the newest advisory about {ecosystem} is of {newest:%Y-%m-%d}, more than "
                f"{limits.oldest.days} days ago. Fetch the database again, or allow its age: "
                f"--max-age {(now - newest).days + 1}"
            )


def _once(found: Sequence[Finding]) -> list[Finding]:
    """Findings of one package that are the same flaw in several databases, merged."""
    merged: list[Finding] = []
    for each in found:
        is_same = [o.package == each.package and bool(o.names & each.names) for o in merged]
        same = [each, *(o for o, yes in zip(merged, is_same, strict=True) if yes)]
        rest = [o for o, yes in zip(merged, is_same, strict=True) if not yes]
        first = min(same, key=lambda finding: finding.advisory.id)
        merged = [
            *rest,
            Finding(
                first.package,
                first.where,
                first.advisory,
                tuple(dict.fromkeys(fix for finding in same for fix in finding.fixes)),
                frozenset().union(*(finding.names for finding in same)),
            ),
        ]
    return sorted(merged, key=lambda finding: (finding.package, finding.advisory.id))


def _acceptance(package: Package, names: frozenset[str], accepted: Accepted) -> Acceptance | None:
    return next(
        (
            each
            for each in accepted.accepted
            if each.package == package.name and not names.isdisjoint(each.advisories)
        ),
        None,
    )


def _is_valid(acceptance: Acceptance | None, today: date) -> bool:
    return acceptance is not None and today <= acceptance.expires


def _reach(
    pinned: Mapping[Package, Sequence[str]], database: Database, accepted: Accepted
) -> Iterable[str]:
    for ecosystem in ECOSYSTEMS:
        names = {advisory_name(p, accepted) for p in pinned if p.ecosystem == ecosystem}
        if names:
            yield (
                f"{ecosystem}: {database.counts.get(ecosystem, 0)} advisories, which name "
                f"{len(names & database.named)} of {len(names)} locked packages; about the others "
                "the database says nothing"
            )
