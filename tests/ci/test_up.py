"""`up` happens only where the diff is still the approved one."""

from pathlib import Path

import pytest

from ci import preview, up
from tests.ci.conftest import DIFF, PASSPHRASE, Job


@pytest.fixture
def kind() -> str:
    return "github"


def approved(job: Job, folder: Path) -> str:
    plans = folder / "plans"
    arguments = ["--stack", "dev", "--stack", "prod", "--fingerprints", str(plans)]
    assert preview.main(arguments, job.variables) == 0
    return dict(line.split("=") for line in plans.read_text().splitlines())["plan_prod"]


def ups(job: Job) -> list[list[str]]:
    return [arguments for arguments, _ in job.calls() if arguments[0] == "up"]


def test_the_approved_diff_is_deployed(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job.script(preview_prod={"out": DIFF}, up_prod={"out": f"updated {PASSPHRASE}"})
    plan = approved(job, tmp_path)
    # The order of steps is that of their discovery, and warnings come and go.
    shuffled = "\n".join(reversed(DIFF.splitlines()))
    job.script(
        preview_prod={"out": shuffled, "err": "warning: slow"},
        up_prod={"out": f"updated {PASSPHRASE}"},
    )
    assert up.main(["--stack", "prod", "--expect", plan], job.variables) == 0
    common = ["--stack", "prod", "--non-interactive", "--color", "never"]
    assert ups(job) == [["up", "--yes", "--skip-preview", *common]]
    assert "updated [redacted]" in capsys.readouterr().out


def test_a_different_diff_stops_up_before_anything_changes(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = approved(job, tmp_path)
    job.script(preview_prod={"out": DIFF.replace('"b"', '"c"')})
    assert up.main(["--stack", "prod", "--expect", plan], job.variables) == 4
    assert ups(job) == []
    assert "is not the one that was approved" in capsys.readouterr().err


def test_a_lost_fingerprint_is_no_approval(job: Job) -> None:
    assert up.main(["--stack", "prod", "--expect", ""], job.variables) == 2
    assert job.calls() == []


def test_a_failed_preview_or_up_fails_the_job(job: Job) -> None:
    job.script(preview_prod={"code": 1})
    assert up.main(["--stack", "prod"], job.variables) == 1
    assert ups(job) == []
    job.script(preview_prod={"out": DIFF}, up_prod={"code": 255})
    assert up.main(["--stack", "prod"], job.variables) == 1
    assert len(ups(job)) == 1


def test_a_failed_preview_has_no_fingerprint(job: Job, tmp_path: Path) -> None:
    job.script(preview_dev={"code": 1})
    plans = tmp_path / "plans"
    arguments = ["--stack", "dev", "--fingerprints", str(plans)]
    assert preview.main(arguments, job.variables) == 1
    assert plans.read_text() == ""
