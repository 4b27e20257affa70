"""The two pipelines: what they call exists, who gets secrets, and that two `up`s never race."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci import preview, tools, up
from cli import advisories
from tests.apiserver.fixtures import NEEDED
from toolchain import TOOLS

ROOT = Path(__file__).parents[2]
GITHUB_FILE, GITLAB_FILE = ROOT / ".github/workflows/preview.yml", ROOT / ".gitlab-ci.yml"
GITHUB: dict[Any, Any] = yaml.safe_load(GITHUB_FILE.read_text())
GITHUB["on"] = GITHUB.pop(True)  # YAML 1.1 reads `on` as a truth value
GITLAB: dict[str, Any] = yaml.safe_load(GITLAB_FILE.read_text())
RESERVED = {"stages", "workflow", "default", "variables", "include"}
JOBS = {name: job for name, job in GITLAB.items() if name not in RESERVED}
CALLED = ("check", "advisories", "preview", "plan", "up-dev", "up-prod")


def resolved(name: str) -> dict[str, Any]:
    """A job of GitLab, merged with the job that it extends."""
    job: dict[str, Any] = JOBS[name]
    return (resolved(job["extends"]) if "extends" in job else {}) | job


def github_scripts(name: str) -> list[str]:
    steps = GITHUB["jobs"][name]["steps"]
    return [line for step in steps for line in str(step.get("run", "")).splitlines()]


def gitlab_scripts(name: str) -> list[str]:
    job = resolved(name)
    return [*job.get("before_script", []), *job["script"]]


SCRIPTS = [
    pytest.param(line, id=f"{where}-{name}-{number}")
    for where, scripts in (("github", github_scripts), ("gitlab", gitlab_scripts))
    for name in CALLED
    for number, line in enumerate(scripts(name))
]


@pytest.mark.parametrize("line", SCRIPTS)
def test_every_command_exists_and_its_arguments_parse(line: str) -> None:
    program, *arguments = shlex.split(line)
    if program == "make":
        (verb,) = arguments
        assert re.search(rf"^{verb}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    assert program == ".venv/bin/python"
    assert arguments.pop(0) == "-m"
    match arguments.pop(0):
        case "ci.preview":
            assert preview.parser().parse_args(arguments).stack == ["dev", "prod"]
        case "ci.up":
            assert up.parser().parse_args(arguments).expect
        case "ci.tools":
            assert arguments == []
        case "cli":
            assert arguments.pop(0) == "advisories"
            assert advisories.parser().parse_args(arguments).fetch
        case other:
            raise AssertionError(other)


def test_both_pipelines_do_the_same() -> None:
    def commands(lines: list[str]) -> list[str]:
        return [re.sub(r"--(comment|output|fingerprints|expect) \S+", r"--\1", x) for x in lines]

    for name in CALLED:
        ours, theirs = commands(github_scripts(name)), commands(gitlab_scripts(name))
        assert [x.split(" --")[0] for x in ours] == [x.split(" --")[0] for x in theirs], name


def test_the_tools_of_ci_are_in_the_catalogue() -> None:
    assert set(tools.NAMES) <= TOOLS.keys()
    assert all(TOOLS[name].downloads for name in tools.NAMES)


def test_no_deployment_waits_for_advisories() -> None:
    """They appear without a change, so they must not stop the repair of something else."""
    for name in JOBS:
        assert "advisories" not in resolved(name).get("needs", []), name
    for name, job in GITHUB["jobs"].items():
        assert "advisories" not in str(job.get("needs", "")), name


def test_github_gives_forks_no_secrets() -> None:
    assert set(GITHUB["on"]) == {"pull_request", "push"}
    assert GITHUB["on"]["push"] == {"branches": ["main"]}
    same = "github.event.pull_request.head.repo.full_name == github.repository"
    for name, job in GITHUB["jobs"].items():
        if "${{ secrets." not in str(job):
            continue
        on_push = "github.event_name == 'push'"
        after = GITHUB["jobs"]["plan"]["if"] if "plan" in str(job.get("needs")) else ""
        condition = job.get("if", after)
        assert same in condition or on_push in condition, name
        assert "||" not in condition
        assert job["environment"], f"{name}: secrets belong to an environment"
    assert same.replace("==", "!=") in GITHUB["jobs"]["fork"]["if"]
    assert "${{ secrets" not in str(GITHUB["jobs"]["check"]) + str(GITHUB["jobs"]["fork"])


def test_github_permissions_are_minimal() -> None:
    assert GITHUB["permissions"] == {}
    for name, job in GITHUB["jobs"].items():
        allowed: dict[str, str] = {} if name == "fork" else {"contents": "read"}
        if name == "preview":
            allowed["pull-requests"] = "write"
        assert job["permissions"] == allowed, name
        for step in job["steps"]:
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
            # Text that an outsider chose must not become a part of a script.
            assert "${{" not in step.get("run", "")


def test_github_actions_are_pinned_and_few() -> None:
    used = re.findall(r"uses: (\S+)@(\S+) # v[\d.]+", GITHUB_FILE.read_text())
    assert {name for name, _ in used} == {
        "actions/checkout",
        "actions/setup-python",
        "actions/upload-artifact",
    }
    assert len(used) == GITHUB_FILE.read_text().count("uses:")
    assert all(re.fullmatch(r"[0-9a-f]{40}", commit) for _, commit in used)
    for name in {name for name, _ in used}:
        assert len({commit for other, commit in used if other == name}) == 1


def test_github_ups_wait_for_approval_and_never_race() -> None:
    for stack in ("dev", "prod"):
        job = GITHUB["jobs"][f"up-{stack}"]
        assert job["environment"] == stack
        assert job["concurrency"] == {"group": f"up-{stack}", "cancel-in-progress": False}
        assert "plan" in job["needs"]
        assert GITHUB["jobs"]["plan"]["outputs"][stack] == (
            f"${{{{ steps.preview.outputs.plan_{stack} }}}}"
        )
    assert "vars.RAYLINE_UP == 'true'" in GITHUB["jobs"]["plan"]["if"]
    assert GITHUB["jobs"]["plan"]["needs"] == "check"
    for job in GITHUB["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 90


def test_gitlab_gives_forks_no_preview() -> None:
    (rule,) = resolved("preview")["rules"]
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_PATH == $CI_PROJECT_PATH" in rule["if"]
    assert '$RAYLINE_PREVIEW == "true"' in rule["if"]
    assert "||" not in rule["if"]
    (rule,) = resolved("fork")["rules"]
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_PATH != $CI_PROJECT_PATH" in rule["if"]


def test_gitlab_ups_wait_for_a_click_and_never_race() -> None:
    for stack in ("dev", "prod"):
        job = resolved(f"up-{stack}")
        (rule,) = job["rules"]
        assert "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" in rule["if"]
        assert '$RAYLINE_UP == "true"' in rule["if"]
        assert rule["when"] == "manual"
        assert job["resource_group"] == f"up-{stack}"
        assert job["environment"] == {"name": stack}
        assert job["interruptible"] is False
        assert "plan" in job["needs"]
        assert f"$plan_{stack}" in str(job["script"])
    # A restricted report is not passed on, and `up` would refuse an empty fingerprint forever.
    assert set(resolved("plan")["artifacts"]) == {"reports"}


def test_gitlab_jobs_are_well_formed() -> None:
    known = {
        "stage", "script", "before_script", "rules", "needs", "environment", "artifacts",
        "resource_group", "extends", "timeout", "interruptible", "variables", "image", "parallel",
    }  # fmt: skip
    for name, job in JOBS.items():
        assert set(job) <= known, name
        if name.startswith("."):
            continue
        whole = resolved(name)
        assert whole["stage"] in GITLAB["stages"]
        assert all(isinstance(line, str) for line in gitlab_scripts(name))
        for needed in whole.get("needs", []):
            earlier = GITLAB["stages"].index(resolved(needed)["stage"])
            assert earlier <= GITLAB["stages"].index(whole["stage"])
    assert GITLAB["default"]["image"].startswith("python:3.11")


def test_no_pipeline_holds_a_secret_or_needs_docker() -> None:
    for path in (GITHUB_FILE, GITLAB_FILE):
        text = path.read_text()
        assert not re.search(r"docker|buildx", text, re.IGNORECASE)
        assert not re.search(r"(?:TOKEN|PASSPHRASE|KUBECONFIG): (?!\$\{\{ )\S", text)
    assert "pull_request_target" not in str(GITHUB)


def test_the_documentation_names_every_variable() -> None:
    documented = (ROOT / "docs/ci.md").read_text()
    used = set()
    for path in (GITHUB_FILE, GITLAB_FILE):
        used |= set(re.findall(r"\b(?:RAYLINE|PULUMI)_[A-Z_]+\b", path.read_text()))
    for path in (ROOT / "ci").rglob("*.py"):
        used |= set(re.findall(r"\b(?:RAYLINE|PULUMI)_[A-Z_]+\b", path.read_text()))
    used -= {
        "PULUMI_CREDENTIALS_PATH",
        "PULUMI_DEBUG_COMMANDS",
        "PULUMI_SKIP_UPDATE_CHECK",
    }  # not to be set
    assert {name for name in used if name not in documented} == set()


def test_the_check_never_skips_the_tests_against_an_api_server() -> None:
    """Without the variable they would be skipped, because a runner has no binaries at first."""
    (step,) = (s for s in GITHUB["jobs"]["check"]["steps"] if s.get("run") == "make test-fast")
    for variables in (step["env"], GITLAB["check"]["variables"]):
        assert variables == {NEEDED: "needed"}
