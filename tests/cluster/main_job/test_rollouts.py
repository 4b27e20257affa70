"""Changes that replace the whole cluster, or remove a part of it: each ends with an answer."""

import re
import secrets
import shlex
import time
from collections.abc import Callable

import pytest

from tests.cluster.main_job.client import Client, constant_load
from tests.cluster.main_job.conftest import USER, Secrets
from tests.cluster.main_job.deployed import Config, Deployed
from tests.cluster.main_job.steps import enable_group

pytestmark = pytest.mark.long
LEAVING_SECONDS, SETTLED_SECONDS = 300.0, 30.0
CLUSTERS = {"restApi": "raycluster", "rayService": "rayservice"}


def delivered_by(delivery: str) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        config["rayline:serve"] = {"delivery": delivery}

    return change


def answers(deployed: Deployed, canaries: Secrets) -> bool:
    user = Client.of(deployed.stack.outputs(), "tiny", USER, canaries.password)
    return bool(user.chat())


def test_a_changed_token_restarts_every_pod_at_once(serving: Deployed, canaries: Secrets) -> None:
    before = serving.pods()
    serving.set_secret("rayline:rayToken", secrets.token_hex(32))
    run = serving.up()
    assert {"SecretVersion ray-token-version", "PodRollout pods"} <= set(run.changes)
    after = serving.pods()
    assert len(after) == len(before)
    assert not set(before) & set(after)
    assert answers(serving, canaries)
    assert serving.up("--expect-no-changes").changes == {}
    serving.configure()  # the token of the other tests, which they look for
    assert "PodRollout pods" in serving.up().changes
    assert answers(serving, canaries)


def rename_group(config: Config) -> None:
    enable_group(config)
    config["rayline:gpuGroups"][1]["name"] = "renamed"


def test_groups_are_renamed_reordered_and_removed(
    serving: Deployed, user: Client, canaries: Secrets
) -> None:
    serving.configure(enable_group)
    serving.up()
    tiny = serving.pods("headgroup") | serving.pods("rtx-3090")
    assert len(serving.pods("rtx-3060")) == 1
    serving.configure(rename_group)
    serving.up()
    assert not serving.pods("rtx-3060")
    assert len(serving.pods("renamed")) == 1

    def first(config: Config) -> None:
        rename_group(config)
        config["rayline:gpuGroups"].reverse()

    serving.configure(first)
    serving.up()

    def remove(config: Config) -> None:
        del config["rayline:gpuGroups"][1]

    serving.configure(remove)
    serving.up()
    assert not serving.pods("renamed")
    assert serving.pods() == tiny, "no other pod was touched"
    assert user.chat()


def second_cluster(config: Config) -> None:
    """Heads of one component are on different nodes, and this cluster has one node."""
    delivered_by("rayService")(config)
    component = {"app.kubernetes.io/component": "second-head"}
    config["rayline:ray"]["head"]["labels"] = component


@pytest.mark.timeout(1800)
def test_a_delivery_is_switched_both_ways_by_the_commands_of_its_refusal(
    serving: Deployed, canaries: Secrets
) -> None:
    before = "restApi"
    for now in ("rayService", "restApi"):
        uid = serving.get(CLUSTERS[before], "rayline")["metadata"]["uid"]
        serving.configure(delivered_by(now))
        refused = serving.up(code=1)
        # The record of what is planned, in the state alone.
        assert set(refused.changes) <= {"Ownership ownership"}
        assert serving.get(CLUSTERS[before], "rayline")["metadata"]["uid"] == uid
        assert answers(serving, canaries), "nothing was touched"

        advised = " ".join(refused.output.split())
        command = re.search(r"pulumi (destroy .*?), then `pulumi up`", advised)
        assert command, refused.output
        serving.run(*shlex.split(command[1]), "--yes", "--skip-preview")
        serving.up()
        assert serving.get(CLUSTERS[now], "rayline")
        assert answers(serving, canaries)
        assert serving.up("--expect-no-changes").changes == {}
        if now == "rayService":
            a_second_cluster_takes_over_unnoticed(serving, canaries)
        before = now


def a_second_cluster_takes_over_unnoticed(deployed: Deployed, canaries: Secrets) -> None:
    """KubeRay starts it beside the first, and removes that a minute after the second one serves."""
    user = Client.of(deployed.stack.outputs(), "tiny", USER, canaries.password)
    first = set(deployed.pods())
    deployed.configure(second_cluster)
    with constant_load(user) as load:
        run = deployed.up()
        assert set(deployed.pods()) - first
        deadline = time.monotonic() + LEAVING_SECONDS
        while first & set(deployed.pods()):
            assert time.monotonic() < deadline
            time.sleep(2)
        time.sleep(SETTLED_SECONDS)
    print(f"{load.answers} answers, {len(load.failures)} failures, `up` took {run.seconds:.0f} s")
    assert load.answers > 20
    assert load.failures == []
