"""What an edit of the configuration changes and, above all, what it does not touch."""

from typing import Any

import pytest

from infra.providers.download.provider import IDENTITY
from infra.providers.ownership.claims import kept
from infra.specs.serve_config import PROXIES
from tests.infra.program.harness import Declared, Program, run

OTHER_DIGEST = "sha256:" + "3" * 64
SERVE = "ServeApplications applications"
WANTED = "ConfigMap wanted-applications"
MODELS = {SERVE: "update", WANTED: "update"}
"""What a change of the models changes, apart from downloads."""
CLUSTER, PODS = "RayCluster ray-cluster", "PodRollout pods"
GROUPS = "GroupOrder gpu-groups"
DOWNLOAD = "DownloadJob download-Dolphin3.0"
SECOND: dict[str, Any] = {
    "name": "second",
    "source": "owner/second",
    "revision": "4" * 40,
    "gpuGroup": "rtx-3060",
    "weightsGib": 4,
    "kvKibPerToken": 64,
    "maxModelLen": 4096,
}


@pytest.fixture(scope="module")
def before() -> Program:
    return run("prod")


def compared(resource: Declared) -> Any:
    """What the engine compares: the inputs, and for a download those that identify it."""
    if resource.type.endswith(":DownloadJob"):
        return {key: resource.inputs[key] for key in IDENTITY}
    if resource.type.endswith(":Ownership"):
        return kept(dict(resource.inputs))
    return resource.inputs


def changes(before: Program, after: Program) -> dict[str, str]:
    """Resource -> create, delete or update, as a preview would list them."""
    old, new = before.custom, after.custom
    return {
        **dict.fromkeys(new.keys() - old.keys(), "create"),
        **dict.fromkeys(old.keys() - new.keys(), "delete"),
        **{k: "update" for k in old.keys() & new.keys() if compared(old[k]) != compared(new[k])},
    }


def hashes(program: Program) -> dict[str, str]:
    groups = program[PODS].inputs["groups"]
    return {name: group["hash"] for name, group in groups.items()}


def applications(program: Program) -> dict[str, Any]:
    return {app["name"]: app for app in program[SERVE].inputs["config"]["applications"]}


def test_the_same_configuration_changes_nothing(before: Program) -> None:
    assert changes(before, run("prod")) == {}


@pytest.mark.parametrize("edit", [{"source": "owner/other"}, {"revision": "5" * 40}])
def test_a_swap_changes_one_download_and_the_serve_resource(
    before: Program, edit: dict[str, Any]
) -> None:
    change: dict[str, Any] = {f"models__0__{key}": value for key, value in edit.items()}
    after = run("prod", **change)
    assert changes(before, after) == {DOWNLOAD: "update", **MODELS}
    # A Job cannot be changed, so it gets a new name.
    names = [program[DOWNLOAD].inputs["name"] for program in (before, after)]
    assert names[0] != names[1]
    assert hashes(after) == hashes(before)


def test_a_swap_leaves_the_application_of_another_model_as_it_is() -> None:
    two: dict[str, Any] = {"gpuGroups__1__enabled": True, "models__1": SECOND}
    one, other = run("prod", **two), run("prod", **two, models__0__source="owner/other")
    assert changes(one, other) == {DOWNLOAD: "update", **MODELS}
    assert applications(one)["second"] == applications(other)["second"]
    assert applications(one)["Dolphin3.0"] != applications(other)["Dolphin3.0"]


def test_enabling_a_group_touches_no_pod_of_the_others(before: Program) -> None:
    after = run("prod", gpuGroups__1__enabled=True)
    assert changes(before, after) == {CLUSTER: "update", PODS: "update", **MODELS}
    # Their number of proxies is another; the models are as they were.
    assert applications(after)["Dolphin3.0"] == applications(before)["Dolphin3.0"]
    assert hashes(after) == hashes(before)
    old, new = (program[CLUSTER].inputs["spec"] for program in (before, after))
    assert old["headGroupSpec"] == new["headGroupSpec"]
    assert old["workerGroupSpecs"][0] == new["workerGroupSpecs"][0]
    assert new["workerGroupSpecs"][1]["replicas"] == 1


def test_a_model_on_the_other_group_touches_neither_pods_nor_models_of_the_first() -> None:
    enabled = run("prod", gpuGroups__1__enabled=True)
    after = run("prod", gpuGroups__1__enabled=True, models__1=SECOND)
    assert changes(enabled, after) == {"DownloadJob download-second": "create", **MODELS}
    assert hashes(after) == hashes(enabled)
    assert applications(after)["Dolphin3.0"] == applications(enabled)["Dolphin3.0"]


def test_a_new_group_touches_no_pod_of_the_others(before: Program) -> None:
    group = {"name": "a100", "gpu": {"model": "A100", "memoryGib": 80}}
    after = run("prod", gpuGroups__2=group)
    pods = {GROUPS: "update", CLUSTER: "update", PODS: "update"}
    assert changes(before, after) == {**pods, **MODELS}
    assert applications(after)["Dolphin3.0"] == applications(before)["Dolphin3.0"]
    assert hashes(before).items() <= hashes(after).items()


def test_changed_code_makes_a_new_image_and_new_pods_but_no_download(before: Program) -> None:
    """BuildKit notices the changed content; here the image just has a different digest."""
    after = run("prod", digest=OTHER_DIGEST)
    assert changes(before, after) == {CLUSTER: "update", PODS: "update", SERVE: "update"}
    assert not set(hashes(before).values()) & set(hashes(after).values())
    assert applications(after) == applications(before)


def test_a_different_base_causes_a_build(before: Program) -> None:
    after = run("prod", image__base="rayproject/ray:2.60.0-py311-cu129")
    assert changes(before, after) == {"Image image": "update"}


def test_resources_of_a_group_restart_its_pods_and_its_models_alone() -> None:
    two: dict[str, Any] = {"gpuGroups__1__enabled": True, "models__1": SECOND}
    before = run("prod", **two)
    after = run("prod", **two, gpuGroups__1__sharedMemory="4Gi")
    assert changes(before, after) == {CLUSTER: "update", PODS: "update", SERVE: "update"}
    same = hashes(before).items() & hashes(after).items()
    assert {name for name, _ in same} == {"head", "rtx-3090"}
    assert applications(after) == applications(before)


def test_outdated_pods_do_not_touch_serve_until_they_are_replaced() -> None:
    old = run("prod", ray__upgrade="manual")
    kept = run("prod", ray__upgrade="manual", digest=OTHER_DIGEST)
    assert changes(old, kept) == {CLUSTER: "update", PODS: "update"}
    replaced = run("prod", digest=OTHER_DIGEST)
    assert changes(kept, replaced) == {PODS: "update", SERVE: "update"}
    # A preview shows this before any pod is replaced.
    assert not kept[SERVE].inputs["templates"]
    assert replaced[SERVE].inputs["templates"]["head"] == hashes(replaced)["head"]


@pytest.mark.parametrize("upgrade", ["recreate", "manual"])
def test_the_upgrade_strategy_is_declared(upgrade: str) -> None:
    assert run("prod", ray__upgrade=upgrade)[PODS].inputs["upgrade"] == upgrade
    service = run("prod", ray__upgrade=upgrade, serve__delivery="rayService")
    spec = service["RayService ray-service"].inputs["spec"]
    assert spec["upgradeStrategy"] == {
        "type": {"recreate": "NewCluster", "manual": "None"}[upgrade]
    }


def test_users_and_roles_change_the_secret_alone(before: Program) -> None:
    after = run("prod", auth__users__1__role="guest", auth__tokenMinutes=5)
    assert changes(before, after) == {"Secret auth-config": "update"}
    more = run("prod", auth__users__2={"name": "carol"})
    assert changes(before, more) == {
        "RandomSecret password-carol": "create",
        "Secret auth-config": "update",
    }


def test_a_removed_model_loses_its_job_and_its_application() -> None:
    two = run("prod", gpuGroups__1__enabled=True, models__1=SECOND)
    one = run("prod", gpuGroups__1__enabled=True)
    assert changes(two, one) == {"DownloadJob download-second": "delete", **MODELS}
    assert set(applications(one)) == {"Dolphin3.0", PROXIES}
