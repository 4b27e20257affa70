"""The whole command: fake `pulumi` in, comment, log and exit code out."""

from pathlib import Path

import pytest

from ci import preview
from ci.markdown import MARKER
from tests.ci.conftest import CHANGES, DIFF, PASSPHRASE, Job

BOTH = ("--stack", "dev", "--stack", "prod", "--timeout", "20")

pytestmark = pytest.mark.usefixtures("naps")


def run(job: Job, kind: str, *more: str) -> int:
    return preview.main([*BOTH, "--comment", kind, *more], job.variables)


def test_one_comment_holds_both_stacks_and_is_kept_up_to_date(job: Job, kind: str) -> None:
    assert run(job, kind) == 0
    (body,) = job.api.bodies()
    assert body.startswith(MARKER)
    assert "dev: +2 ~1 -0** (ok" in body
    assert "prod: +2 ~1 -0** (ok" in body
    assert "0123456789ab" in body
    assert "\n+     kubernetes:core/v1:Secret" in body  # its sign where GitHub colours it
    assert "\x1b" not in body
    assert "data: [secret]" in body

    job.script(
        preview_dev={"out": DIFF, "changes": CHANGES},
        preview_prod={"out": "Resources:\n    9 unchanged", "changes": {"same": 9}},
    )
    assert run(job, kind) == 0
    (body,) = job.api.bodies()
    assert "prod: +0 ~0 -0** (ok" in body


def test_pulumi_runs_once_per_stack_and_gets_no_token_for_comments(job: Job, kind: str) -> None:
    job.variables["RAYLINE_KUBECONFIG"] = "clusters: []"
    assert run(job, kind, "--stack", "dev") == 0
    calls = job.calls()
    for (arguments, _), name in zip(calls, ("dev", "prod"), strict=True):
        common = ["--stack", name, "--non-interactive", "--color", "never"]
        assert arguments[:3] == ["preview", "--diff", "--event-log"]
        assert arguments[4:] == common
        assert not Path(arguments[3]).exists()  # it contains the values of properties
    for _, environ in calls:
        assert environ["PULUMI_CONFIG_PASSPHRASE"] == PASSPHRASE
        assert "PULUMI_ACCESS_TOKEN" not in environ
        assert "RAYLINE_KUBECONFIG" not in environ
        assert environ["no_grpc_proxy"] == "127.0.0.1"
        assert job.api.double.token not in environ.values()
        assert not Path(environ["KUBECONFIG"]).exists()  # gone with the job
    assert (job.folder / "kubeconfig-seen").read_text() == "clusters: []"


def test_a_failed_preview_is_in_the_comment_before_the_job_fails(
    job: Job, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job.script(
        preview_dev={"out": DIFF, "changes": CHANGES},
        preview_prod={
            "out": "Previewing update (prod):\nResources:\n    4 unchanged",
            "err": "warning: using pulumi-language-python from $PATH at /x/y\nerror: models: bad",
            "code": 255,
        },
    )
    assert run(job, kind) == 1
    (body,) = job.api.bodies()
    assert "dev: +2 ~1 -0** (ok" in body
    assert "**prod: failed**" in body
    assert "<details open><summary>prod: error</summary>" in body
    assert "error: models: bad" in body
    assert "exit code 255" in body
    assert "$PATH" not in body
    assert "the preview failed: prod" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_a_preview_that_hangs_is_stopped_and_reported(job: Job, kind: str) -> None:
    job.script(preview_dev={"out": "begun", "sleep": 60})
    arguments = ["--stack", "dev", "--comment", kind, "--timeout", "2"]
    assert preview.main(arguments, job.variables) == 1
    assert "did not end within" in job.api.bodies()[0]
    assert "begun" in job.api.bodies()[0]


def test_nothing_can_end_the_fence_from_inside(job: Job, kind: str) -> None:
    job.script(preview_dev={"out": "a\n`````\n</details>@team\n````` b\n" + "`" * 5000})
    assert run(job, kind) == 0
    (body,) = job.api.bodies()
    assert body.count("\n``````diff\n") == 1
    assert "[5000 backticks]" in body


def test_a_huge_diff_keeps_head_and_tail_and_links_to_the_rest(
    job: Job, kind: str, tmp_path: Path
) -> None:
    lines = "\n".join(f"    + line {number} ü" for number in range(30_000))
    job.script(
        preview_dev={"out": f"{lines}\n{DIFF}"}, preview_prod={"out": DIFF, "changes": CHANGES}
    )
    assert run(job, kind, "--output", str(tmp_path / "whole")) == 0
    (body,) = job.api.bodies()
    assert 50_000 < len(body.encode()) <= 60_000
    assert "line 0 ü" in body
    assert "line 29999 ü" in body
    assert "Lines left out: " in body
    assert "https://git.example.com" in body
    assert "prod: +2 ~1 -0" in body  # a small neighbour stays whole
    assert body.rstrip().endswith("</details>")
    assert (tmp_path / "whole" / "dev.diff").read_text().count("line ") == 30_000


def test_secrets_of_the_job_are_in_no_comment_log_artefact_or_summary(
    job: Job, kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job.variables["MY_API_KEY"] = "k3y-of-the-job"
    leak = f"x={PASSPHRASE} y=k3y-of-the-job z={job.api.double.token} s=[secret]"
    # A colour in the middle of a value must not hide it.
    job.script(
        preview_dev={"out": f"{leak}\nk3y-\x1b[31mof-the-job\n{DIFF}"},
        preview_prod={"err": leak, "code": 1},
    )
    assert run(job, kind, "--output", str(tmp_path / "whole")) == 1
    printed = "".join(capfd.readouterr())
    places = [printed, *job.api.bodies()]
    places += [path.read_text() for path in (tmp_path / "whole").iterdir()]
    if job.api.double.has_summary:
        places.append((tmp_path / "summary.md").read_text())
    for place in places:
        for secret in (PASSPHRASE, "k3y-of-the-job", job.api.double.token):
            assert secret not in place
    assert "x=[redacted] y=[redacted] z=[redacted] s=[secret]" in job.api.bodies()[0]


def test_without_a_token_it_prints_and_the_previews_decide_the_exit_code(
    job: Job, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    del job.variables[job.api.double.token_variable]
    assert run(job, kind) == 0
    printed = capsys.readouterr().out
    assert "dev: +2 ~1 -0" in printed
    assert "no comment: " in printed
    assert job.api.calls == []
    job.script(preview_dev={"code": 1})
    assert run(job, kind) == 1


def test_outside_of_a_request_it_does_not_comment(
    job: Job, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job.api.double.leave_request(job.variables)
    assert run(job, kind) == 0
    assert "does not belong to a" in capsys.readouterr().out
    assert job.api.calls == []


def test_a_job_that_is_not_set_up_runs_nothing(
    job: Job, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job.variables["PULUMI_BACKEND_URL"] = ""
    assert run(job, kind) == 2
    assert "PULUMI_BACKEND_URL" in capsys.readouterr().err
    job.variables |= {"PULUMI_BACKEND_URL": "file:///x", "PATH": "/nowhere"}
    assert run(job, kind) == 2
    assert "python -m ci.tools" in capsys.readouterr().err
    assert job.calls() == []
    assert job.api.calls == []


def test_a_login_on_this_machine_is_a_backend(job: Job, kind: str) -> None:
    job.variables["PULUMI_BACKEND_URL"] = ""
    (job.folder / ".pulumi").mkdir()
    (job.folder / ".pulumi" / "credentials.json").write_text('{"current": "s3://state"}')
    assert run(job, "none") == 0
    assert len(job.calls()) == 2


def test_an_unwritten_comment_fails_a_good_job_but_does_not_hide_a_failed_preview(
    job: Job, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job.api.faults = [("POST", 403, {})] * 2
    assert run(job, kind) == 3
    shown = capsys.readouterr()
    assert "403 fault 403" in shown.err
    assert job.api.double.refused in shown.err
    assert "dev: +2 ~1 -0" in shown.out
    job.script(preview_dev={"code": 1})
    assert run(job, kind) == 1


@pytest.mark.parametrize("name", ["", "-x", "dev;rm", "a b", "$(x)", "<b>"])
def test_odd_names_of_stacks_are_refused(name: str) -> None:
    with pytest.raises(SystemExit) as ended:
        preview.parser().parse_args([f"--stack={name}"])
    assert ended.value.code == 2


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_a_diff_gives_github_no_commands(
    job: Job, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job.script(preview_dev={"out": "::error::forged"})
    assert run(job, kind) == 0
    lines = capsys.readouterr().out.splitlines()
    word = lines[0].removeprefix("::stop-commands::")
    assert len(word) == 32
    assert lines.index("::error::forged") < lines.index(f"::{word}::")
