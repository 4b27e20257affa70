"""Reads advisories from folders and archives, as far as they concern what is locked.

A database is one of: the export of osv.dev (`all.zip` of an ecosystem), `data/osv` of the Go
vulnerability database, `vulns` of PyPA's advisory database, or any folder or zip file with
advisories in OSV's format as JSON or YAML, one per file.
"""

import json
import zipfile
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name

from supply.osv.records import Advisory, Affected, affected

SUFFIXES = (".json", ".yaml", ".yml")
Name = tuple[str, str]
"""Ecosystem and package."""


class DatabaseError(Exception):
    """A database cannot be read; the message names the file."""


@dataclass(frozen=True)
class Database:
    """`advisories`: those about wanted packages, without the withdrawn ones. The rest describes the
    whole database: advisories per ecosystem, the packages that any of them names, and when the
    newest advisory of an ecosystem was changed (absent where the database has no dates).
    `unreadable`: what is wrong with an advisory about a wanted package, by its identifier."""

    advisories: tuple[Advisory, ...]
    counts: Mapping[str, int]
    named: frozenset[Name]
    newest: Mapping[str, datetime]
    unreadable: Mapping[str, str]


def read(paths: Iterable[Path], wanted: Collection[Name]) -> Database:
    """The advisories below `paths` about `wanted`. Raises DatabaseError."""
    advisories: dict[str, Advisory] = {}
    counts: Counter[str] = Counter()
    named: set[Name] = set()
    newest: dict[str, datetime] = {}
    unreadable: dict[str, str] = {}
    for place, text in _texts(paths):
        content = _parsed(place, text)
        if content is None:
            continue
        identifier, names = str(content["id"]), _names(content)
        named |= names
        changed = _date(content.get("modified"))
        for ecosystem in {ecosystem for ecosystem, _ in names}:
            counts[ecosystem] += 1
            if changed is not None:
                newest[ecosystem] = max(changed, newest.get(ecosystem, changed))
        if content.get("withdrawn") or names.isdisjoint(wanted):
            continue
        try:
            advisories[identifier] = _advisory(content, wanted)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            unreadable[identifier] = f"{place}: {type(error).__name__}: {error}"
    return Database(
        tuple(advisories[each] for each in sorted(advisories)),
        dict(counts),
        frozenset(named),
        newest,
        unreadable,
    )


def _texts(paths: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        try:
            if path.is_dir():
                for file in sorted(path.rglob("*")):
                    if file.suffix in SUFFIXES and file.is_file():
                        yield str(file), file.read_bytes()
            else:
                with zipfile.ZipFile(path) as archive:
                    for name in sorted(archive.namelist()):
                        if name.endswith(SUFFIXES):
                            yield f"{path}: {name}", archive.read(name)
        except (OSError, zipfile.BadZipFile) as error:
            raise DatabaseError(
                f"{path} is neither a folder nor a whole zip file of advisories: {error}"
            ) from None


def _parsed(place: str, text: bytes) -> dict[str, Any] | None:
    """The content of an advisory's file; None for an index, which has no identifier."""
    try:
        # Every value of YAML stays text: a version 1.10 must not become the number 1.1.
        content = json.loads(text) if place.endswith(".json") else yaml.load(text, yaml.CBaseLoader)
    except (ValueError, RecursionError, yaml.YAMLError):
        raise DatabaseError(f"{place} cannot be read; fetch the database again") from None
    return content if isinstance(content, dict) and content.get("id") else None


def _names(content: Mapping[str, Any]) -> frozenset[Name]:
    packages = (each.get("package") for each in content.get("affected") or [])
    return frozenset(_name(each) for each in packages if each)


def _name(package: Mapping[str, Any]) -> Name:
    """An ecosystem may have a suffix, such as a release of a distribution."""
    ecosystem, name = str(package.get("ecosystem")).partition(":")[0], str(package.get("name"))
    return ecosystem, canonicalize_name(name) if ecosystem == "PyPI" else name


def _advisory(content: Mapping[str, Any], wanted: Collection[Name]) -> Advisory:
    about: dict[Name, list[Affected]] = defaultdict(list)
    for each in content["affected"]:
        if each.get("package") and (name := _name(each["package"])) in wanted:
            about[name].append(affected(each))
    details = str(content.get("summary") or content.get("details") or "")
    return Advisory(
        str(content["id"]),
        tuple(map(str, content.get("aliases") or [])),
        next(iter(details.strip().splitlines()), ""),
        {name: tuple(found) for name, found in about.items()},
    )


def _date(text: object) -> datetime | None:
    """RFC 3339; None for absent dates. Go's database leaves them at year 1 in its repository."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found if found.year > 1970 else None
