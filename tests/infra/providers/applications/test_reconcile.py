"""Applications brought to RUNNING against a fake of Ray that misbehaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.providers.applications.client import (
    ServeClient,
    ServeError,
    ServeRejectedError,
    ServeUnauthorizedError,
    ServeUnreachableError,
)
from infra.providers.applications.reconcile import (
    ForeignApplicationsError,
    Reconciliation,
    ServeDeployFailedError,
    ServeTimeoutError,
)
from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.waiting import Waiting
from tests.infra.providers.applications.ray import (
    CLUSTER,
    NAMESPACE,
    SECRET,
    SERVICE,
    TOKEN,
    App,
    Chaos,
    FakeRay,
    application,
    config,
)
from tests.infra.providers.common.fake_api_server import CONTEXT, refused


class Bench:
    """One fake, and changes made to it."""

    def __init__(self, ray: FakeRay, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ray = ray
        self.lines: list[str] = []
        monkeypatch.setenv("KUBECONFIG", str(ray.kubeconfig(folder)))
        self.kube = KubeClient(CONTEXT)

    def run(
        self,
        wanted: dict[str, Any],
        *,
        deadline: float = 1200,
        **how: Any,
    ) -> dict[str, dict[str, str]]:
        client = ServeClient(self.kube, NAMESPACE, CLUSTER, SERVICE, SECRET)
        waiting = Waiting(self.lines.append, self.ray.clock, deadline)
        work = Reconciliation(client, wanted, waiting, **how)
        work.run()
        return work.seen.statuses


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with FakeRay() as ray:
        made = Bench(ray, tmp_path, monkeypatch)
        with made.kube:
            yield made


def test_a_first_deployment_is_put_once_and_waited_for(bench: Bench) -> None:
    result = bench.run(config(application("a"), application("b")))
    assert result == {
        "a": {"status": "RUNNING", "route_prefix": "/a"},
        "b": {"status": "RUNNING", "route_prefix": "/b"},
    }
    assert len(bench.ray.puts) == 1
    assert "a: DEPLOYING, replica starting; b: DEPLOYING, replica starting, 2 s of 1200 s" in (
        bench.lines
    )


def test_live_applications_are_adopted_without_a_put(bench: Bench) -> None:
    bench.ray.serve(application("a"))
    bench.run(config(application("a")))
    assert bench.ray.puts == []
    assert bench.ray.clock.now() == 0


def test_starting_applications_are_waited_for_without_a_put(bench: Bench) -> None:
    bench.ray.serve(application("a"))
    bench.ray.apps["a"].steps = ["DEPLOYING", "DEPLOYING", "RUNNING"]
    bench.run(config(application("a")))
    assert bench.ray.puts == []


def test_a_removed_application_is_waited_for_until_it_is_gone(bench: Bench) -> None:
    bench.ray.serve(application("a"), application("old"))
    bench.run(config(application("a")), owned=("old",))
    assert set(bench.ray.apps) == {"a"}
    assert any("old: leaving" in line for line in bench.lines)


def test_foreign_applications_are_named_and_kept(bench: Bench) -> None:
    bench.ray.serve(application("theirs"))
    with pytest.raises(ForeignApplicationsError, match=r"theirs.*serve\.replaceForeign"):
        bench.run(config(application("a")))
    assert bench.ray.puts == []
    assert set(bench.run(config(application("a")), replace_foreign=True)) == {"a"}


def test_applications_of_serve_run_are_left_alone(bench: Bench) -> None:
    bench.ray.apps["script"] = App(application("script"), ["RUNNING"], source="imperative")
    bench.run(config(application("a")))
    assert "script" in bench.ray.apps


def test_a_broken_model_fails_fast_with_the_cause_first(bench: Bench) -> None:
    bench.ray.broken = {"bad"}
    bench.ray.serve(application("b"))
    with pytest.raises(ServeDeployFailedError) as error:
        bench.run(config(application("a", "bad"), application("b")))
    text = str(error.value)
    assert text.startswith(
        "a is DEPLOY_FAILED: FileNotFoundError: no weights in /data/model-cache/tiny"
    )
    assert "Traceback" in text
    assert "\x1b" not in text
    assert "Still serving: b" in text
    assert "kubectl --context fake -n llm logs -l ray.io/cluster=ray" in text
    assert bench.ray.clock.now() < 30


def test_the_same_configuration_is_retried_after_a_failure(bench: Bench) -> None:
    bench.ray.serve(application("a", "bad"), status="DEPLOY_FAILED")
    bench.ray.serve(application("b"))
    bench.run(config(application("a", "bad"), application("b")))
    assert [[app["name"] for app in put["applications"]] for put in bench.ray.puts] == [
        ["b"],
        ["a", "b"],
    ]


def test_a_corrected_model_replaces_the_failed_one(bench: Bench) -> None:
    bench.ray.serve(application("a", "bad"), status="DEPLOY_FAILED")
    bench.run(config(application("a", "good")))
    assert len(bench.ray.puts) == 1


def test_unhealthy_is_a_failure_only_if_it_lasts(bench: Bench) -> None:
    bench.ray.flapping = {"m"}
    assert bench.run(config(application("a")))["a"]["status"] == "RUNNING"
    bench.ray.apps["a"].steps = ["UNHEALTHY"]
    began = bench.ray.clock.now()
    with pytest.raises(ServeDeployFailedError, match="a is UNHEALTHY"):
        bench.run(config(application("a")))
    assert bench.ray.clock.now() - began < 60


def test_the_deadline_names_each_state_and_the_setting(bench: Bench) -> None:
    bench.ray.starting = 10**6
    with pytest.raises(ServeTimeoutError) as error:
        bench.run(config(application("a")), deadline=60)
    assert "a: DEPLOYING, replica starting" in str(error.value)
    assert "timeouts.modelReadySeconds" in str(error.value)
    assert 3 < len(bench.lines) < 8, "one line per change, and one every 20 s"


def test_a_changed_port_restarts_serve(bench: Bench) -> None:
    bench.ray.serve(application("a"))
    wanted = config(application("a"))
    wanted["http_options"]["port"] = 9000
    bench.run(wanted)
    assert bench.ray.http["port"] == 9000
    assert any("HTTP options changed" in line for line in bench.lines)


def test_a_refused_token_names_the_secret_and_never_the_token(bench: Bench) -> None:
    bench.ray.token = "something else"
    with pytest.raises(ServeUnauthorizedError, match=rf"Secret {NAMESPACE}/{SECRET}") as error:
        bench.run(config(application("a")))
    assert TOKEN not in str(error.value)
    assert bench.ray.clock.now() == 0


def test_validation_errors_quote_ray(bench: Bench) -> None:
    bad = application("a")
    del bad["import_path"]
    with pytest.raises(ServeRejectedError, match="import_path Field required"):
        bench.run(config(bad))


def test_a_missing_permission_for_the_proxy_is_not_blamed_on_the_token(bench: Bench) -> None:
    bench.ray.fault = lambda _request: refused(403, "Forbidden", "services/proxy is forbidden")
    with pytest.raises(KubeError, match="services/proxy is forbidden"):
        bench.run(config(application("a")))


def test_a_lasting_error_of_ray_itself_does_not_take_the_whole_deadline(bench: Bench) -> None:
    bench.ray.fault = lambda _request: (500, "Traceback: broken dashboard")
    with pytest.raises(ServeUnreachableError, match="broken dashboard"):
        bench.run(config(application("a")))
    assert bench.ray.clock.now() < 90


def test_an_absent_head_is_waited_for(bench: Bench) -> None:
    bench.ray.absent = True
    with pytest.raises(ServeTimeoutError, match="not found"):
        bench.run(config(application("a")), deadline=30)


def test_a_configuration_that_ray_keeps_losing_is_an_error(bench: Bench) -> None:
    def forget(_request: Any) -> None:
        bench.ray.apps = {}

    bench.ray.fault = forget
    with pytest.raises(ServeError, match="lost them again"):
        bench.run(config(application("a")))


def test_seeded_faults_end_in_the_right_state_or_a_named_error(bench: Bench) -> None:
    """200 runs. Success means: everything wanted runs and nothing else; and nothing hangs."""
    ends: dict[str, int] = {}
    for seed in range(200):
        ray = bench.ray
        ray.apps, ray.http, ray.puts, ray.requests = {}, {}, [], []
        ray.broken = {"bad"} if seed % 5 == 0 else set()
        ray.flapping = {"shaky"} if seed % 7 == 0 else set()
        if seed % 3 == 0:
            ray.serve(application("a"), application("old"))
        if seed % 11 == 0:
            ray.serve(application("theirs"))
        ray.token = "another" if seed % 13 == 0 else TOKEN
        chaos = Chaos(seed, ray, rate=(seed % 10) / 10, limit=10**6 if seed % 17 == 0 else 20)
        ray.fault = chaos
        models = ["bad" if seed % 5 == 0 else "good", "shaky" if seed % 7 == 0 else "m"]
        wanted = config(application("a", models[0]), application("b", models[1]))
        began = ray.clock.now()
        try:
            statuses = bench.run(wanted, deadline=400, owned=("old",))
        except (ServeError, KubeError) as error:
            end, text = type(error).__name__, str(error)
            assert text
            assert TOKEN not in text
        else:
            end = "success"
            ray.fault = lambda _request: None
            assert {app["status"] for app in statuses.values()} == {"RUNNING"}
            assert {n: a.config for n, a in ray.apps.items()} == {
                app["name"]: app for app in wanted["applications"]
            }
            assert "bad" not in models
            assert seed % 13
        assert ray.clock.now() - began <= 400 + 62, f"seed {seed} overran its deadline"
        ends[end] = ends.get(end, 0) + 1
    assert ends["success"] > 70
    assert ends["ServeDeployFailedError"] > 15
    assert {"ServeUnauthorizedError", "ForeignApplicationsError"} <= set(ends)
