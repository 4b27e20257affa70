"""What one advisory says of one package, as far as the decision needs it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from supply.locked import Ecosystem
from supply.osv.versions import IncomparableError, Ordered, parse

START = "0"
"""In `introduced`: before every version."""
COMPARABLE = ("SEMVER", "ECOSYSTEM")
"""Types of ranges whose events are versions; those of GIT are commits."""
EVENTS = ("introduced", "fixed", "last_affected", "limit")


@dataclass(frozen=True)
class Affected:
    """The versions of one package that an advisory concerns.

    Each range is a sequence of (event, version). `only_commits`: the advisory states neither
    versions nor ranges of versions, so nothing can be compared.
    """

    versions: tuple[str, ...]
    ranges: tuple[tuple[tuple[str, str], ...], ...]
    only_commits: bool = False

    @property
    def fixes(self) -> tuple[str, ...]:
        """Versions that the advisory names as fixed."""
        return tuple(v for events in self.ranges for event, v in events if event == "fixed")

    def concerns(self, ecosystem: Ecosystem, version: str) -> bool:
        """Whether the version is affected: it is listed, or is in a range
        (https://ossf.github.io/osv-schema/#evaluation).

        IncomparableError if that cannot be known.
        """
        if self.only_commits:
            raise IncomparableError("the advisory states commits, and no versions")
        given = parse(ecosystem, version)
        if version in self.versions or any(_equals(ecosystem, v, given) for v in self.versions):
            return True
        return any(_is_in(ecosystem, events, given) for events in self.ranges)


@dataclass(frozen=True)
class Advisory:
    """An advisory that was not withdrawn."""

    id: str
    aliases: tuple[str, ...]
    summary: str
    affected: Mapping[tuple[str, str], tuple[Affected, ...]]
    """By ecosystem and the package's name in its canonical spelling."""

    @property
    def names(self) -> frozenset[str]:
        """Its own identifier and those of the same flaw elsewhere."""
        return frozenset((self.id, *self.aliases))


def affected(content: Mapping[str, Any]) -> Affected:
    """An item of an advisory's `affected`. ValueError if it does not have the schema's form.

    The `custom_ranges` of Go's database are in versions of the product, which no go.mod names; its
    plain ranges cover them (https://go.dev/doc/security/vuln/database#schema).
    """
    versions = tuple(_texts(content.get("versions") or []))
    ranges, commits = [], False
    for each in content.get("ranges") or []:
        if each["type"] in COMPARABLE:
            ranges.append(tuple(_events(each["events"])))
        else:
            commits = True
    return Affected(versions, tuple(ranges), commits and not (ranges or versions))


def _events(events: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    for event in events:
        for name, version in event.items():
            if name not in EVENTS:
                raise ValueError(f"unknown event {name!r}")
            yield name, version


def _texts(values: Sequence[Any]) -> Iterator[str]:
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not a version")
        yield value


def _equals(ecosystem: Ecosystem, text: str, given: Ordered) -> bool:
    """A listed version that cannot be parsed is not the given one, which can."""
    try:
        return bool(parse(ecosystem, text) == given)
    except IncomparableError:
        return False


def _is_in(ecosystem: Ecosystem, events: Sequence[tuple[str, str]], given: Ordered) -> bool:
    """The last event that the version has passed decides; `last_affected` is passed after its
    version, the others at theirs."""
    if not any(name == "introduced" for name, _ in events):
        raise IncomparableError("a range of the advisory has no beginning")
    limits = [parse(ecosystem, v) for name, v in events if name == "limit" and v != "*"]
    if limits and not any(given < limit for limit in limits):
        return False
    inside = ("introduced", START) in events
    dated = [
        (parse(ecosystem, version), _TURN[name], name)
        for name, version in events
        if name in _TURN and version != START
    ]
    for version, _, name in sorted(dated, key=lambda event: event[:2]):
        if name == "introduced" and version <= given:
            inside = True
        elif (name == "fixed" and version <= given) or (
            name == "last_affected" and version < given
        ):
            inside = False
    return inside


_TURN = {"last_affected": 0, "fixed": 1, "introduced": 2}
"""Of events at the same version, the last counts: what is introduced again is affected."""
