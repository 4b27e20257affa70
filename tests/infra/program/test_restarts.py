"""What a change of each secret, and of each object that pods read at their start, restarts."""

from typing import Any, NamedTuple

import pytest

from tests.infra.program.harness import Program, run
from tests.infra.program.test_swaps import changes, hashes

ALL, WORKERS, NOTHING = {"head", "rtx-3090", "rtx-3060"}, {"rtx-3090", "rtx-3060"}, set[str]()
PODS = {"RayCluster ray-cluster", "PodRollout pods", "ServeApplications applications"}
TOKEN = "deepseek-raycluster-token"
HUB = "deepseek-raycluster-hub-token"
REF = {"ref": "registry.example.com/llm/ray-vllm@sha256:" + "2" * 64}


class Change(NamedTuple):
    """Secrets and settings before and after, the pods that restart, and why."""

    before: dict[str, Any]
    after: dict[str, Any]
    restarts: set[str]
    touches: set[str]
    """Changed resources, apart from PODS where anything restarts."""
    why: str


OLD_KEY = "0123456789abcdefghijklmnopqrstuvwxyz"
TABLE = {
    "rayToken": Change(
        {"rayToken": "old"},
        {"rayToken": "new"},
        ALL,
        {f"Secret {TOKEN}", "SecretVersion ray-token-version"},
        "Ray reads it at its start; a pod with another token cannot join the head",
    ),
    "rayToken configured": Change(
        {},
        {"rayToken": "own"},
        ALL,
        {f"Secret {TOKEN}", "SecretVersion ray-token-version", "RandomSecret ray-token"},
        "it replaces the generated one",
    ),
    "rayToken removed": Change(
        {"rayToken": "own"},
        {},
        ALL,
        {f"Secret {TOKEN}", "SecretVersion ray-token-version", "RandomSecret ray-token"},
        "a generated one replaces it",
    ),
    "hubToken": Change(
        {"hubToken": "old"},
        {"hubToken": "new"},
        NOTHING,
        {f"Secret {HUB}"},
        "only download Jobs read it, and each Job is a new pod",
    ),
    "jwtKey": Change(
        {"jwtKey": OLD_KEY},
        {"jwtKey": OLD_KEY[::-1], "jwtPreviousKeys": OLD_KEY},
        NOTHING,
        {"Secret auth-config"},
        "the service reloads the files of the Secret",
    ),
    "userHashes": Change(
        {"userHashes": {"alice": "ca" * 48}},
        {"userHashes": {"alice": "fe" * 48}},
        NOTHING,
        {"Secret auth-config"},
        "the service reloads the files of the Secret",
    ),
    "registryPassword": Change(
        {"registryUsername": "me", "registryPassword": "old"},
        {"registryUsername": "me", "registryPassword": "new"},
        NOTHING,
        {"Image image"},
        "only the build reads it",
    ),
    "auth.secretName": Change(
        {},
        {"auth__secretName": "other"},
        WORKERS,
        {"Secret other", "Secret auth-config"},
        "pods mount a Secret by its name; the head mounts none",
    ),
    "image.pullSecret": Change(
        {"image__pullSecret": "old"},
        {"image__pullSecret": "new"},
        ALL,
        {"ServiceAccount service-account"},
        "a pod names its pull secret; an edit of the Secret itself works at the next pull",
    ),
    "storage.claim": Change(
        {"storage__existing": True, "storage__claim": "old"},
        {"storage__existing": True, "storage__claim": "new"},
        ALL,
        set(),
        "pods mount a claim by its name",
    ),
    "ray.serviceAccount": Change(
        {},
        {"ray__serviceAccount": "other"},
        ALL,
        {"ServiceAccount service-account"},
        "a pod names its account",
    ),
}
SECRETS = {
    "rayToken",
    "hubToken",
    "jwtKey",
    "jwtPreviousKeys",
    "userHashes",
    "registryUsername",
    "registryPassword",
}


def declared(values: dict[str, Any], earlier: Program | None = None, **more: Any) -> Program:
    secrets = {key: value for key, value in values.items() if key in SECRETS}
    settings = {key: value for key, value in values.items() if key not in SECRETS}
    return run("prod", secrets, earlier=earlier, **settings, **more)


@pytest.mark.parametrize("name", TABLE)
def test_a_change_restarts_what_reads_it_at_its_start(name: str) -> None:
    change = TABLE[name]
    before = declared(change.before)
    after = declared(change.after, before)
    old, new = hashes(before), hashes(after)
    assert {group for group in old if old[group] != new[group]} == change.restarts, change.why
    # The downloads belong to another test: they wait for a claim, and their Jobs name it.
    found = {key for key in changes(before, after) if not key.startswith("DownloadJob ")}
    assert found == change.touches | (PODS if change.restarts else set()), change.why
    assert hashes(declared(change.after, after)) == new, "the next `up` restarts nothing"


@pytest.mark.parametrize("secrets", [{}, {"rayToken": "own"}], ids=["generated", "configured"])
def test_a_token_that_never_changed_is_in_no_hash(secrets: dict[str, Any]) -> None:
    """An older rayline's pods, whose state has no version, must not restart at the upgrade."""
    first = declared(secrets, image=REF)
    assert hashes(first) == hashes(declared({"rayToken": "another"}, image=REF))
    assert first["SecretVersion ray-token-version"].inputs.keys() == {"digest"}
    assert first["SecretVersion ray-token-version"].shown == {"digest": "[secret]"}


def test_with_manual_the_token_changes_templates_and_no_application() -> None:
    """PodRollout then names the outdated pods, and when to restart them."""
    before = declared({"rayToken": "old"}, ray__upgrade="manual")
    after = declared({"rayToken": "new"}, before, ray__upgrade="manual")
    assert set(changes(before, after)) == {
        f"Secret {TOKEN}",
        "SecretVersion ray-token-version",
        "RayCluster ray-cluster",
        "PodRollout pods",
    }


def test_a_new_token_is_in_its_secret_before_a_pod_can_start_with_it() -> None:
    program = declared({})
    assert {f"Secret {TOKEN}", "SecretVersion ray-token-version"} <= program.waits_for(
        "RayCluster ray-cluster"
    )
