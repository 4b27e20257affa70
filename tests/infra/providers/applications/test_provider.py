"""What counts as a change, which inputs are refused without a request, and how removal ends."""

from pathlib import Path
from typing import Any

import pytest

from infra.providers.applications import removal
from infra.providers.applications.client import ServeClient, ServeUnreachableError
from infra.providers.applications.provider import ServeApplicationsProvider
from infra.providers.applications.reconcile import ServeDeployFailedError
from infra.providers.applications.seen import Seen
from infra.providers.applications.wanted import WantedError
from infra.providers.common.api_server import KubeClient
from infra.providers.common.call import PartialFailureError
from infra.providers.common.properties import UNKNOWN
from tests.infra.providers.applications.ray import (
    CLUSTER,
    CONFIG_MAP,
    NAMESPACE,
    SECRET,
    SERVICE,
    FakeRay,
    application,
    config,
)
from tests.infra.providers.calls import call
from tests.infra.providers.common.fake_api_server import CONTEXT, Request

PROVIDER = ServeApplicationsProvider()
INPUTS: dict[str, Any] = {
    "context": CONTEXT,
    "namespace": NAMESPACE,
    "cluster": CLUSTER,
    "head_service": SERVICE,
    "token_secret": SECRET,
    "config": config(application("a")),
    "wanted": "",
    "templates": {"head": "h1"},
    "pods": {"head": ["p1/0"]},
    "deadline_seconds": 60,
    "sends": True,
    "replace_foreign": False,
}
OUTPUTS = {**INPUTS, "applications": {"a": {"status": "RUNNING", "route_prefix": "/a"}}}


def test_check_keeps_unknown_values_and_drops_outputs() -> None:
    result = PROVIDER.check({}, {**INPUTS, "pods": UNKNOWN, "applications": None})
    assert result.failures == []
    assert result.inputs == {**INPUTS, "pods": UNKNOWN}
    for config_ in (UNKNOWN, {"applications": UNKNOWN}, config({"name": UNKNOWN}), config(UNKNOWN)):
        unknown = {**INPUTS, "config": config_, "deadline_seconds": UNKNOWN}
        assert PROVIDER.check({}, unknown).failures == []


@pytest.mark.parametrize(
    ("change", "prop"),
    [
        ({"context": None}, "context"),
        ({"deadline_seconds": 0}, "deadline_seconds"),
        ({"config": {}}, "config"),
        ({"config": {"applications": [{"route_prefix": "/"}]}}, "config"),
        ({"config": config(application("a"), application("a"))}, "config"),
    ],
)
def test_check_refuses(change: dict[str, Any], prop: str) -> None:
    failures = PROVIDER.check({}, {**INPUTS, **change}).failures
    assert [failure.property for failure in failures] == [prop]


@pytest.mark.parametrize(
    ("change", "changes", "replaces"),
    [
        ({}, False, []),
        ({"deadline_seconds": 99}, False, []),
        ({"replace_foreign": True}, False, []),
        ({"templates": {"head": "h2"}}, True, []),
        ({"templates": {"head": UNKNOWN}}, True, []),
        ({"templates": UNKNOWN}, True, []),
        ({"templates": {}}, False, []),
        ({"pods": {"head": ["p1/1"]}}, True, []),
        ({"pods": {"head": ["p2/0"]}}, True, []),
        ({"pods": UNKNOWN}, False, []),
        ({"pods": {"head": UNKNOWN}}, False, []),
        ({"pods": {"head": [UNKNOWN]}}, False, []),
        ({"config": UNKNOWN}, True, []),
        ({"config": config({**application("a"), "args": {"x": [UNKNOWN]}})}, True, []),
        ({"config": config(application("a", "other"))}, True, []),
        ({"head_service": "other"}, True, []),
        ({"wanted": CONFIG_MAP}, True, []),
        ({"namespace": "other"}, True, ["namespace"]),
    ],
)
def test_diff(change: dict[str, Any], changes: bool, replaces: list[str]) -> None:
    result = PROVIDER.diff("serve", OUTPUTS, {**INPUTS, **change})
    assert (result.changes, result.replaces) == (changes, replaces)


def test_diff_reports_what_was_not_running_and_ignores_unset_fields() -> None:
    unwell = {**OUTPUTS, "applications": {"a": {"status": "UNHEALTHY"}}}
    assert PROVIDER.diff("serve", unwell, INPUTS).changes
    unset = config({**application("a"), "args": {}, "runtime_env_extra": None})
    assert not PROVIDER.diff("serve", OUTPUTS, {**INPUTS, "config": unset}).changes


@pytest.fixture
def ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with FakeRay() as fake:
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path)))
        yield fake


def remove(ray: FakeRay, *names: str) -> list[str]:
    warnings: list[str] = []
    with KubeClient(CONTEXT) as kube:
        client = ServeClient(kube, NAMESPACE, CLUSTER, SERVICE, SECRET)
        removal.remove(client, names, lambda _line: None, warnings.append, ray.clock)
    return warnings


def test_delete_removes_ours_and_keeps_theirs(ray: FakeRay) -> None:
    ray.serve(application("a"), application("theirs"))
    assert remove(ray, "a") == []
    assert set(ray.apps) == {"theirs"}
    assert remove(ray, "theirs") == []
    assert ray.apps == {}


def test_delete_succeeds_without_a_head_and_warns_if_it_does_not_answer(
    ray: FakeRay,
) -> None:
    ray.absent = True
    assert remove(ray, "a") == []
    ray.absent = False
    ray.fault = lambda _request: (500, "broken")
    (warning,) = remove(ray, "a")
    assert "kubectl --context fake -n llm delete pod" in warning
    assert ray.clock.now() < 120


def test_delete_warns_if_the_whole_cluster_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeRay() as ray:
        monkeypatch.setenv("KUBECONFIG", str(ray.kubeconfig(tmp_path)))
    (warning,) = remove(ray, "a")
    assert "no answer from" in warning
    assert ray.clock.now() < 120


def test_read_distinguishes_absent_from_silent_and_shows_manual_changes(ray: FakeRay) -> None:
    ray.serve(application("a"))
    result = PROVIDER.read(call(), "serve", dict(OUTPUTS))
    assert result is not None
    assert (result.outs, result.inputs) == (OUTPUTS, INPUTS)
    ray.serve(application("a", "by hand"))
    drifted = PROVIDER.read(call(), "serve", dict(OUTPUTS))
    assert drifted is not None
    assert PROVIDER.diff("serve", drifted.outs, INPUTS).changes
    ray.fault = lambda _request: (500, "broken")
    with KubeClient(CONTEXT) as kube:
        client = ServeClient(kube, NAMESPACE, CLUSTER, SERVICE, SECRET)
        with pytest.raises(ServeUnreachableError):
            removal.look(client, INPUTS["config"], ray.clock)
    ray.absent = True
    assert PROVIDER.read(call(), "serve", dict(OUTPUTS)) is None


RECORDED = {**INPUTS, "wanted": CONFIG_MAP}


def test_only_what_runs_is_restored(ray: FakeRay) -> None:
    """Through a first `up`, a change, a failed one that is taken back, and the removal."""
    first, bad = config(application("a")), config(application("a", "bad"))
    ray.broken = {"bad"}
    ray.wants(first)
    assert not ray.restorable(), "before the first `up` has ended"
    outs = PROVIDER.create(call(ray.clock), {**RECORDED, "config": first}).outs
    assert ray.restorable()
    assert not PROVIDER.drifted(call(), outs, outs)

    ray.wants(bad)
    with pytest.raises(PartialFailureError):
        PROVIDER.update(call(ray.clock), "serve", outs, {**RECORDED, "config": bad})
    assert not ray.restorable()
    ray.wants(first)
    assert ray.restorable(), "a change that is taken back restores what has run"
    outs = PROVIDER.update(call(ray.clock), "serve", outs, {**RECORDED, "config": first})
    assert ray.restorable()

    restorable_at_removal: list[bool] = []
    ray.fault = lambda request: (
        restorable_at_removal.append(ray.restorable()) if request.method == "DELETE" else None
    )
    PROVIDER.delete(call(ray.clock), "serve", outs)
    assert restorable_at_removal == [False]


def test_a_config_map_that_cannot_restore_is_a_change_or_an_error(ray: FakeRay) -> None:
    ray.wants(INPUTS["config"])
    outs = PROVIDER.create(call(ray.clock), RECORDED).outs
    ray.wanted = {key: value for key, value in (ray.wanted or {}).items() if key != "finished"}
    looked = call()
    assert PROVIDER.drifted(looked, outs, outs)
    assert "a lost head would restore nothing" in looked.warnings[0]
    PROVIDER.update(call(ray.clock), "serve", outs, RECORDED)
    assert ray.restorable()
    assert not ray.puts[1:], "the applications are there"
    for damaged in (None, {}, {"applications.json": "{"}):
        ray.wanted = damaged
        assert PROVIDER.drifted(call(), outs, outs)
        with pytest.raises(WantedError, match="pulumi up --refresh"):
            PROVIDER.update(call(ray.clock), "serve", outs, RECORDED)
    ray.wants(config(application("a", "of another up")))
    with pytest.raises(WantedError, match="does not contain the applications of this stack"):
        PROVIDER.update(call(ray.clock), "serve", outs, RECORDED)


def test_what_kuberay_sends_is_waited_for_and_never_changed(ray: FakeRay) -> None:
    """A changed model in the cluster of a RayService: its conditions stay as they were."""
    watching = {**INPUTS, "sends": False, "config": config(application("a", "new"))}
    ray.serve(application("a"), application("theirs"))
    looks = []

    def kuberay(request: Request) -> None:
        looks.append(request.method)
        if len(looks) == 3:
            ray.put(watching["config"])

    ray.fault = kuberay
    outs = PROVIDER.update(call(ray.clock), "serve", OUTPUTS, watching)
    assert outs["applications"]["a"]["status"] == "RUNNING"
    assert len(looks) > 3
    assert ray.apps["a"].config == application("a", "new")
    ray.broken = {"bad"}
    ray.put(config(application("a", "bad")))
    bad = {**watching, "config": config(application("a", "bad"))}
    with pytest.raises(ServeDeployFailedError, match="no weights"):
        PROVIDER.update(call(ray.clock), "serve", outs, bad)
    ray.apps = {}
    assert PROVIDER.drifted(call(), outs, outs)
    PROVIDER.delete(call(), "serve", outs)
    assert set(looks) == {"GET"}


def test_a_change_of_the_config_map_at_the_last_moment_is_seen(ray: FakeRay) -> None:
    ray.serve(application("a"))
    ray.wants(INPUTS["config"])
    answer = ray.config_map

    def meanwhile(request: Request) -> tuple[int, Any]:
        if request.method == "PATCH":
            ray.wants(config(application("a", "of another up")))
        return answer(request)

    ray.config_map = meanwhile  # type: ignore[method-assign]
    with pytest.raises(WantedError):
        PROVIDER.update(call(ray.clock), "serve", OUTPUTS, RECORDED)
    assert not ray.restorable()


def test_a_long_message_is_cut_and_its_cause_is_kept() -> None:
    trace = "\n".join(["Traceback:", *(f"  line {n} {'x' * 900}" for n in range(500))])
    app = {"status": "DEPLOY_FAILED", "message": f"{trace}\nImportError: no module named bad"}
    text = Seen({"applications": {"a": app}}, {}).failure("a")
    assert text.startswith("a is DEPLOY_FAILED: ImportError: no module named bad")
    assert len(text) < 15_000
