"""Which versions an advisory concerns, in each ecosystem and for each kind of range."""

from typing import Any

import pytest

from supply.locked import Ecosystem
from supply.osv.records import affected
from supply.osv.versions import IncomparableError, parse

GO: Ecosystem = "Go"
PYTHON: Ecosystem = "PyPI"
INTRODUCED, FIXED, LAST, LIMIT = "introduced", "fixed", "last_affected", "limit"
Events = list[tuple[str, str]]


def concerns(ecosystem: Ecosystem, version: str, *ranges: Events, **fields: Any) -> bool:
    kind = "SEMVER" if ecosystem == GO else "ECOSYSTEM"
    content = {
        "ranges": [
            {"type": kind, "events": [{name: value} for name, value in events]} for events in ranges
        ],
        **fields,
    }
    return affected(content).concerns(ecosystem, version)


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        ([(INTRODUCED, "0"), (FIXED, "1.2.0")], ["v0.0.1", "v1.1.9"], ["v1.2.0", "v2.0.0"]),
        ([(INTRODUCED, "1.1.0"), (FIXED, "1.2.0")], ["v1.1.0"], ["v1.0.9", "v1.2.0"]),
        ([(INTRODUCED, "0"), (LAST, "1.2.0")], ["v1.2.0"], ["v1.2.1"]),
        ([(INTRODUCED, "0")], ["v0.0.0", "v99.0.0"], []),
        (
            [(INTRODUCED, "0"), (FIXED, "1.2.3"), (INTRODUCED, "1.3.0"), (FIXED, "1.3.2")],
            ["v1.2.2", "v1.3.0", "v1.3.1"],
            ["v1.2.3", "v1.2.9", "v1.3.2"],
        ),
        # Events may come in any order.
        (
            [(FIXED, "1.3.2"), (INTRODUCED, "1.3.0"), (FIXED, "1.2.3"), (INTRODUCED, "0")],
            ["v1.2.2", "v1.3.1"],
            ["v1.2.3"],
        ),
        ([(INTRODUCED, "0"), (FIXED, "1.2.0"), (INTRODUCED, "1.2.0")], ["v1.2.0"], []),
        ([(INTRODUCED, "0"), (LIMIT, "2.0.0")], ["v1.9.0"], ["v2.0.0"]),
        ([(INTRODUCED, "0"), (LIMIT, "*")], ["v9.0.0"], []),
        # A pre-release is before its release, and so is a pseudo-version.
        ([(INTRODUCED, "0"), (FIXED, "1.2.0")], ["v1.2.0-rc.1"], []),
        (
            [(INTRODUCED, "0"), (FIXED, "0.0.0-20240301000000-aaaaaaaaaaaa")],
            ["v0.0.0-20240229235959-ffffffffffff"],
            ["v0.0.0-20240301000000-aaaaaaaaaaaa", "v0.0.1"],
        ),
        (
            [(INTRODUCED, "0"), (FIXED, "1.2.4")],
            ["v1.2.4-0.20240301000000-aaaaaaaaaaaa"],
            ["v1.2.5-0.20240301000000-aaaaaaaaaaaa"],
        ),
        # Numbers, not texts; and what follows a plus has no order.
        ([(INTRODUCED, "0"), (FIXED, "1.10.0")], ["v1.9.0"], ["v1.10.0", "v1.11.0"]),
        (
            [(INTRODUCED, "0"), (FIXED, "29.2.0+incompatible")],
            ["v28.5.2+incompatible"],
            ["v29.2.0+incompatible", "v29.5.3+incompatible"],
        ),
        ([(INTRODUCED, "19.03.0"), (FIXED, "19.03.16")], ["v19.3.1"], ["v19.3.16"]),
        ([(INTRODUCED, "1.21.0-0"), (FIXED, "1.21.4")], ["1.21.0", "1.21.3"], ["1.20.9"]),
    ],
)
def test_go_modules(events: Events, inside: list[str], outside: list[str]) -> None:
    assert [v for v in inside if not concerns(GO, v, events)] == []
    assert [v for v in outside if concerns(GO, v, events)] == []


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        ([(INTRODUCED, "0"), (FIXED, "1.2")], ["0.1", "1.1.9", "1.2rc1", "1.2.dev3"], ["1.2.0"]),
        ([(INTRODUCED, "0"), (LAST, "1.2")], ["1.2", "1.2.0"], ["1.2.post1", "1.2.1"]),
        # A local version is a build of the public one.
        ([(INTRODUCED, "0"), (LAST, "2.13.0")], ["2.13.0+cpu"], ["2.13.1+cpu"]),
        ([(INTRODUCED, "0"), (FIXED, "2.13.0")], ["2.12.9+cpu"], ["2.13.0+cpu"]),
        ([(INTRODUCED, "0"), (FIXED, "1.10")], ["1.9"], ["1.10", "1.10.post0"]),
        ([(INTRODUCED, "0"), (FIXED, "1!1.0")], ["2026.1"], ["1!1.0"]),
    ],
)
def test_python_packages(events: Events, inside: list[str], outside: list[str]) -> None:
    assert [v for v in inside if not concerns(PYTHON, v, events)] == []
    assert [v for v in outside if concerns(PYTHON, v, events)] == []


@pytest.mark.parametrize(("version", "found"), [("1.0", True), ("1.0.0", True), ("1.0+cpu", True),
                                                ("1.1", False)])  # fmt: skip
def test_listed_versions_count_in_every_spelling(version: str, found: bool) -> None:
    # What nobody can parse is in old lists, and equals no version that can be locked.
    assert concerns(PYTHON, version, versions=["1.0", "2004d-broken"]) is found


def test_any_of_several_ranges_counts() -> None:
    one: Events = [(INTRODUCED, "1.0.0"), (FIXED, "1.1.0")]
    two: Events = [(INTRODUCED, "2.0.0"), (FIXED, "2.1.0")]
    assert [concerns(GO, v, one, two) for v in ("v1.0.5", "v1.5.0", "v2.0.5")] == [
        True, False, True,
    ]  # fmt: skip


def test_go_has_versions_of_products_beside_its_own_which_do_not_count() -> None:
    custom = {"custom_ranges": [{"type": "ECOSYSTEM", "events": [{INTRODUCED: "19.03.0"}]}]}
    plain: Events = [(INTRODUCED, "0"), (FIXED, "29.2.0+incompatible")]
    assert not concerns(GO, "v29.5.3+incompatible", plain, ecosystem_specific=custom)


def test_commits_count_only_beside_versions() -> None:
    commits = {"type": "GIT", "repo": "https://x", "events": [{INTRODUCED: "0"}, {FIXED: "a" * 40}]}
    only = affected({"ranges": [commits]})
    with pytest.raises(IncomparableError, match="commits"):
        only.concerns(PYTHON, "1.0")
    assert affected({"ranges": [commits], "versions": ["1.0"]}).concerns(PYTHON, "1.0")
    assert not affected({"ranges": [commits], "versions": ["1.0"]}).concerns(PYTHON, "1.1")


@pytest.mark.parametrize(
    ("ecosystem", "version", "events"),
    [
        (PYTHON, "2004d-broken", [(INTRODUCED, "0")]),
        (GO, "latest", [(INTRODUCED, "0")]),
        (GO, "v1.0.0", [(INTRODUCED, "0"), (FIXED, "r60")]),
        (PYTHON, "1.0", [(INTRODUCED, "0"), (FIXED, "next week")]),
        (GO, "v1.0.0", [(FIXED, "1.2.0")]),
        (GO, "v1.0.0", [(INTRODUCED, "0"), (LIMIT, "x")]),
    ],
)
def test_what_cannot_be_compared_is_no_answer(
    ecosystem: Ecosystem, version: str, events: Events
) -> None:
    with pytest.raises(IncomparableError):
        concerns(ecosystem, version, events)


@pytest.mark.parametrize("text", ["", "v", "1.x", "v1.2.3.4", "1..2", "v1.2.3-", ".1"])
def test_a_text_that_is_no_version_of_go_is_refused(text: str) -> None:
    with pytest.raises(IncomparableError):
        parse(GO, text)


@pytest.mark.parametrize(
    "content", [{"ranges": [{"type": "SEMVER", "events": [{"mended": "1.0.0"}]}]},
                {"versions": [1.0]}, {"ranges": [{"events": []}]}],
)  # fmt: skip
def test_another_form_than_the_schemas_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        affected(content)
