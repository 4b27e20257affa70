"""The resources under the real Pulumi engine, against fakes of the cluster."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.providers.applications.ray import (
    CLUSTER,
    NAMESPACE,
    PROXY,
    SECRET,
    SECRETS,
    SERVICE,
    TOKEN,
    TRACE,
    FakeRay,
    application,
    config,
)
from tests.infra.providers.common.fake_api_server import CONTEXT, Request, refused
from tests.infra.providers.engine.programs import Program
from tests.infra.providers.rollout.kuberay import (
    HEAD_SERVICE,
    TOKEN_SECRET,
    FakeKubeRay,
    groups,
)

# Seconds for each command of the engine, and the binaries of `make tools`.
pytestmark = [pytest.mark.cluster, pytest.mark.engine]


@pytest.fixture
def ray() -> Iterator[FakeRay]:
    with FakeRay(starting=1) as fake:
        yield fake


@pytest.fixture
def serving(ray: FakeRay, tmp_path: Path) -> Program:
    program = Program(tmp_path, ray.kubeconfig(tmp_path))
    program.write(
        "from infra.providers.applications import ServeApplications, ServeApplicationsArgs",
        "ServeApplications('serve', ServeApplicationsArgs(**args))\n"
        "pulumi.export('applications', made.applications)",
    )
    return program


def declare(program: Program, *models: str, pods: str = "h1", deadline: int = 120) -> None:
    program.args(
        context=CONTEXT,
        namespace=NAMESPACE,
        cluster=CLUSTER,
        head_service=SERVICE,
        token_secret=SECRET,
        wanted="",
        config=config(*(application("a", model) for model in models)),
        templates={},
        pods={"head": [pods]},
        deadline_seconds=deadline,
    )


def test_applications_from_their_creation_to_their_end(serving: Program, ray: FakeRay) -> None:
    declare(serving, "m")
    first = serving.up()
    assert "a: DEPLOYING, replica starting" in first, "progress is on the screen"
    assert len(ray.puts) == 1

    declare(serving, "m", deadline=99)
    assert "2 unchanged" in serving.up()
    assert "2 unchanged" in serving.refresh()
    asked = len(ray.requests)
    serving.run("preview", "--non-interactive", "--expect-no-changes")
    looked = [(request.method, request.path) for request in ray.requests[asked:]]
    assert looked == [("GET", SECRETS), ("GET", PROXY)], "a preview looks once, and changes nothing"

    declare(serving, "m", pods="h2")
    assert "1 updated" in serving.up()
    assert len(ray.puts) == 1, "restarted pods that kept the applications need no PUT"

    ray.apps.clear()
    assert "1 updated" in serving.refresh()
    assert "1 updated" in serving.up()
    assert ray.apps["a"].steps == ["RUNNING"]

    ray.apps["a"].steps = ["UNHEALTHY"]
    serving.refresh()
    ray.apps["a"].steps = ["RUNNING"]
    assert "1 updated" in serving.up()

    assert serving.resource("ServeApplications")
    assert TOKEN not in serving.state()
    serving.destroy()
    assert ray.apps == {}


def test_up_is_true_about_applications_that_were_lost(serving: Program, ray: FakeRay) -> None:
    """Without --refresh: `up` called them unchanged and RUNNING."""
    declare(serving, "m")
    serving.up()

    ray.apps.clear()
    previewed = serving.run("preview", "--non-interactive")
    assert "1 to update" in previewed
    assert "not as the last `up` left them: a: not there yet" in previewed
    assert len(ray.puts) == 1, "a preview changes nothing"
    assert "1 updated" in serving.up()
    assert serving.outputs()["applications"]["a"]["status"] == "RUNNING"
    assert len(ray.puts) == 2

    ray.apps["a"].steps = ["UNHEALTHY", "UNHEALTHY", "RUNNING"]
    assert "a: UNHEALTHY" in (repaired := serving.up())
    assert "1 updated" in repaired
    assert len(ray.puts) == 2, "Ray replaces the replica itself"

    ray.apps["a"].config = application("a", "changed by hand")
    assert "Ray has another configuration" in serving.up()
    assert ray.apps["a"].config == application("a", "m")
    assert "2 unchanged" in serving.up()


def test_a_head_that_does_not_answer_yet_is_waited_for(serving: Program, ray: FakeRay) -> None:
    declare(serving, "m")
    serving.up()
    ray.apps.clear()
    ray.fault = lambda _request: refused(503, "ServiceUnavailable", "no endpoints available")
    previewed = serving.run("preview", "--non-interactive")
    assert "1 to update" in previewed
    assert "the applications count as lost" in previewed
    asked = len(ray.asked("GET"))

    def returns(_request: Request) -> tuple[int, Any] | None:
        silent = len(ray.asked("GET")) < asked + 4
        return refused(503, "ServiceUnavailable", "no endpoints available") if silent else None

    ray.fault = returns
    assert "1 updated" in serving.up()
    assert ray.apps["a"].steps == ["RUNNING"]


def test_a_preview_without_the_cluster_works_and_says_what_it_does_not_know(
    serving: Program, ray: FakeRay, tmp_path: Path
) -> None:
    """As in a pipeline whose runner does not reach the cluster."""
    declare(serving, "m")
    serving.up()
    with FakeRay() as gone:
        gone.kubeconfig(tmp_path)
    previewed = serving.run("preview", "--non-interactive")
    assert "it was not checked whether the applications are there" in previewed
    assert "`kubectl --context fake version` should answer" in previewed
    assert "1 to update" in previewed, "so that `up` looks again, instead of calling them RUNNING"
    declare(serving, "m", deadline=2)
    assert "no answer from" in serving.up(fails=True)
    ray.kubeconfig(tmp_path)
    assert "2 unchanged" in serving.up()
    ray.fault = lambda _request: refused(403, "Forbidden", "services/proxy is forbidden")
    previewed = serving.run("preview", "--non-interactive")
    assert "services/proxy is forbidden" in previewed
    assert "kubectl --context fake auth can-i --list" in previewed


def test_a_failed_change_is_remembered_so_that_going_back_is_a_change(
    serving: Program, ray: FakeRay
) -> None:
    declare(serving, "good")
    ray.serve(application("theirs"))
    refused = serving.up(fails=True)
    assert "this cluster also serves theirs" in refused
    assert "Traceback" not in refused
    ray.apps.clear()
    serving.up()
    ray.broken = {"bad"}
    declare(serving, "bad")
    failed = serving.up(fails=True)
    assert "a is DEPLOY_FAILED: FileNotFoundError: no weights" in failed
    assert "Exception calling application" not in failed
    assert failed.count("Traceback") == TRACE.count("Traceback"), "Ray's, and none of ours"
    declare(serving, "good")
    assert "1 updated" in serving.up()
    assert ray.apps["a"].config["runtime_env"]["env_vars"]["MODEL_ID"] == "good"
    assert ray.apps["a"].steps == ["RUNNING"]


def test_without_a_head_refresh_drops_the_resource_and_destroy_succeeds(
    serving: Program, ray: FakeRay
) -> None:
    declare(serving, "m")
    serving.up()
    ray.absent = True
    serving.destroy()
    ray.absent = False
    serving.up()
    ray.absent = True
    refreshed = serving.refresh()
    assert "1 deleted" in refreshed


def test_pods_from_their_creation_to_their_end(tmp_path: Path) -> None:
    with FakeKubeRay(starting=1) as fake:
        program = Program(tmp_path, fake.kubeconfig(tmp_path))
        program.write(
            "from infra.providers.rollout import PodRollout, PodRolloutArgs",
            "PodRollout('pods', PodRolloutArgs(**args))\n"
            "pulumi.export('incarnations', made.incarnations)",
        )

        def declare(upgrade: str = "recreate", **wanted: tuple[str, int]) -> None:
            fake.wants(groups(**wanted))
            program.args(
                context=CONTEXT,
                namespace="llm",
                cluster="ray",
                groups=groups(**wanted),
                upgrade=upgrade,
                deadline_seconds=60,
                head_service=HEAD_SERVICE,
                token_secret=TOKEN_SECRET,
            )

        declare(head=("h1", 1), a=("a1", 1))
        assert "a: 0 of 1 ready" in program.up()
        assert "2 unchanged" in program.up()
        assert "2 unchanged" in program.refresh()
        declare(head=("h1", 1), a=("a2", 1))
        assert "1 updated" in program.up()
        assert [name[0] for name in fake.deleted] == ["a"]
        declare("manual", head=("h1", 1), a=("a3", 1))
        warned = program.up()
        assert "warning: 1 Ray pods run an older template" in warned
        assert "kubectl --context fake -n llm delete pod a-" in warned
        assert len(fake.deleted) == 1
        assert "warning: 1 Ray pods run an older template" in program.up(), "until it is done"
        before = program.outputs()["incarnations"]
        outdated = next(name for name in fake.pods if name.startswith("a-"))
        del fake.pods[outdated]  # as the warning advises
        assert "1 updated" in program.up()
        after = program.outputs()["incarnations"]
        assert after["head"] == before["head"]
        assert after["a"] != before["a"]
        assert "2 unchanged" in program.up()
        program.destroy()


def test_generated_secrets_are_encrypted_and_hidden(
    tmp_path: Path,
) -> None:
    program = Program(tmp_path, tmp_path / "none")
    program.write(
        "from infra.providers.random_secret import RandomSecret, RandomSecretArgs",
        "RandomSecret('password', RandomSecretArgs(kind='password'))\n"
        "pulumi.export('password', made.value)",
    )
    program.args()
    shown = program.up()
    password = program.run("stack", "output", "password", "--show-secrets").strip()
    assert len(password) >= 20
    shown += program.run("stack", "output") + program.run("preview", "--diff") + program.state()
    assert password not in shown
    assert "[secret]" in shown
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert any("history" in str(path) for path in files)
    assert not [path for path in files if password.encode() in path.read_bytes()]
    assert "2 unchanged" in program.up()


def test_the_version_of_a_secret_is_plain_and_known_in_a_preview(tmp_path: Path) -> None:
    """The digest of a weak secret would let anyone who reads the state test guesses of it."""
    program = Program(tmp_path, tmp_path / "none")
    program.write(
        "from infra.providers.secret_version import SecretVersion, SecretVersionArgs",
        "SecretVersion('v', SecretVersionArgs(secret=pulumi.Output.secret(args['secret'])))\n"
        "pulumi.export('hash', made.version.apply(lambda version: f'hash-of-{version}'))",
    )
    seen = ""
    for number, secret in enumerate(("tiger", "kitten")):
        program.args(secret=secret)
        seen += program.run("preview", "--diff", "--non-interactive")
        assert f"hash-of-{number}" in seen, "a preview shows what will restart"
        seen += program.up()
        assert program.outputs() == {"hash": f"hash-of-{number}"}, "not secret"
        seen += program.state()
        assert "2 unchanged" in program.up()
    for secret in ("tiger", "kitten"):
        assert secret not in seen
        assert hashlib.sha256(secret.encode()).hexdigest() not in seen
