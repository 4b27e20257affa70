"""kube-score finds nothing serious in what a stack makes.

It does not know RayClusters, so their pods are scored as Pods, as KubeRay makes them.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings import parse
from infra.specs.manifests import manifests
from tests.infra.specs.policies import POLICIES
from tests.infra.validation.test_pod_security import STACKS, as_kuberay_makes_them

IGNORED: Mapping[str, str] = {
    "container-ephemeral-storage-request-and-limit": (
        "logs and downloads have no size that suits every cluster; podTemplate sets limits"
    ),
    "container-image-pull-policy": (
        "images are pinned by digest, for which Always pulls nothing else than IfNotPresent"
    ),
    "container-security-context-readonlyrootfilesystem": (
        "Ray, vLLM and Torch write caches to the home of the image's user"
    ),
    "container-security-context-user-group-id": (
        "the user of the image rayproject/ray has uid 1000 and gid 100, and owns its home"
    ),
    "pod-probes-identical": (
        "KubeRay asks the same page of Ray for both, and is more patient before it restarts"
    ),
}
"""Check -> why it does not count."""
KNOWN = {"Ingress", "Job", "NetworkPolicy", "Pod", "PodDisruptionBudget", "Service"}
"""Kinds that are scored; the others have no checks."""
WARNING = 5
"""Grades of kube-score: 1 critical, 5 warning, 10 all OK."""


def findings(binary: Path, objects: list[dict[str, Any]], ignored: Mapping[str, str]) -> set[str]:
    """`check: object: comment` of everything below OK."""
    options = [part for name in ignored for part in ("--ignore-test", name)]
    done = subprocess.run(
        [
            binary,
            "score",
            "--output-format",
            "json",
            "--kubernetes-version",
            "v1.34",
            *options,
            "-",
        ],
        input=yaml.safe_dump_all(objects),
        capture_output=True,
        text=True,
        check=False,
    )
    scored = json.loads(done.stdout)
    known = [each for each in objects if each["kind"] in KNOWN]
    assert len(scored) == len(known), done.stderr
    return {
        f"{check['check']['id']}: {each['object_name']}: {comment['summary']}"
        for each in scored
        for check in each["checks"]
        if not check["skipped"] and check["grade"] <= WARNING
        for comment in check["comments"] or [{"summary": ""}]
    }


def objects(stack: str) -> list[dict[str, Any]]:
    wanted = parse({**STACKS[stack], "network": {"policies": POLICIES}})
    unknown = ("RayCluster", "RayService")
    plain = [each for each in manifests(wanted) if each["kind"] not in unknown]
    return [*plain, *as_kuberay_makes_them(wanted)]


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_serious_is_found(stack: str, kube_score: Path) -> None:
    assert findings(kube_score, objects(stack), IGNORED) == set()


def test_each_ignored_check_would_find_something(kube_score: Path) -> None:
    found = {line.split(":")[0] for line in findings(kube_score, objects("everything"), {})}
    assert found == set(IGNORED)


def test_a_serious_mistake_would_be_found(kube_score: Path) -> None:
    made = objects("everything")
    pod = next(each for each in made if each["kind"] == "Pod")
    del pod["spec"]["containers"][0]["resources"]["limits"]
    assert any("container-resources" in line for line in findings(kube_score, made, IGNORED))
