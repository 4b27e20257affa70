"""The README's ten steps, typed by a stranger on a cluster of their own; `make test-theirs`, timed.

The sandbox plays that cluster: a kubeconfig with another context and user, a registry with a
password, a tainted node, a runtime class that is not the default, no default storage class, and a
builder that a buildx instance leads to. The commands are those of README.md, in a fresh clone of
the last commit in a folder with a space, with an empty HOME. `readme.VALUES` replaces the words in
capitals, so that README and test cannot drift apart.

Concessions to a machine without GPUs and without the internet are in `configuration.edited`: the
CPU, the tiny model from the sandbox's hub, and the sandbox's base image and operator. Besides, the
cache of tools is not empty, and Docker's plug-in buildx is not run.
"""

import json
import os
import re
import time

import pytest
import yaml

from infra.providers.common.owner import STACK
from tests.cluster.main_job.client import Client
from tests.cluster.theirs import cluster, registry
from tests.cluster.theirs.configuration import MODEL, REPOSITORY, edited
from tests.cluster.theirs.conftest import Stranger
from tests.cluster.theirs.readme import blocks, page, steps, typed
from toolchain.paths import cache_root

pytestmark = [
    pytest.mark.skipif("RAYLINE_THEIRS" not in os.environ, reason="`make test-theirs`"),
    pytest.mark.timeout(7200),
]
API = "http://127.0.0.1:8000"
"""Where step 10 forwards it to."""


def edit(stranger: Stranger) -> None:
    """Step 5 is "here or in an editor": what its commands do not set is set by an editor."""
    file = stranger.checkout / "Pulumi.prod.yaml"
    content = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(edited(content, cluster.TAINT), sort_keys=False))


def test_ten_steps_lead_to_an_answer(stranger: Stranger) -> None:
    seconds, output = {}, ""
    for step in steps(page("README.md")):
        print(f"\n  step {step.number}: {step.title}", flush=True)
        began = time.monotonic()
        stranger.deployed |= "pulumi up" in step.commands
        output = stranger.run(typed(step.commands))
        if step.number == 5:
            edit(stranger)
        seconds[step.number] = time.monotonic() - began
    print("  seconds:", {number: round(value, 1) for number, value in seconds.items()})
    print(f"  from the clone to the answer: {sum(seconds.values()):.0f} s", flush=True)
    assert list(seconds) == list(range(1, 11))
    (answer,) = re.findall(r'^\{.*"choices".*\}$', output, re.MULTILINE)
    assert json.loads(answer)["choices"][0]["message"]["content"]


def test_a_program_uses_the_api(stranger: Stranger) -> None:
    """With a service token, as docs/guide/use-it.md describes; in OpenAI's SDK where there is one
    (`make test-engine` installs it), otherwise with a plain client."""
    words = {r"\bCONTEXT\b": cluster.CONTEXT, r"\bNAMESPACE\b": cluster.NAMESPACE}
    found = list(blocks(page("docs/guide/use-it.md")))
    (service_token,) = [code for _, code in found if "service-token" in code]
    (program,) = [code for language, code in found if language == "python"]
    stranger.run(typed(service_token, words))
    python = cache_root() / "venvs/app-cpu/bin/python"
    if python.exists():
        (stranger.checkout / "client.py").write_text(program.replace("MODEL", MODEL))
        assert stranger.run(f"'{python}' client.py").strip()
    token = (stranger.checkout / "token").read_text().strip()
    assert Client(API, MODEL, token).chat()


def test_pods_use_what_this_cluster_requires(stranger: Stranger) -> None:
    """The password of the registry, the runtime class, and the tolerated taint."""
    assert registry.status(f"{REPOSITORY}/tags/list") == 401
    login = (registry.USERNAME, registry.PASSWORD)
    assert registry.status(f"{REPOSITORY}/tags/list", login) == 200
    pods = json.loads(
        stranger.kubectl.run(
            "-n", cluster.NAMESPACE, "get", "pods", "-l", "ray.io/cluster", "-o", "json"
        )
    )["items"]
    kinds = {pod["metadata"]["labels"]["ray.io/node-type"]: pod["spec"] for pod in pods}
    assert sorted(kinds) == ["head", "worker"]
    for spec in kinds.values():
        for container in spec["containers"]:
            assert container["image"].startswith(f"{registry.ADDRESS}/{REPOSITORY}@sha256:")
        assert spec["imagePullSecrets"]
        assert cluster.TAINT in str(spec["tolerations"])
    assert kinds["worker"]["runtimeClassName"] == cluster.RUNTIME_CLASS
    assert "runtimeClassName" not in kinds["head"]


def test_destroy_removes_what_is_ours_and_nothing_else(stranger: Stranger) -> None:
    stranger.run("pulumi destroy -s prod")
    stranger.deployed = False
    kubectl = stranger.kubectl
    assert cluster.foreign(kubectl) == stranger.before  # no namespace more, and none less
    kinds = "clusterroles,clusterrolebindings,pv,all,secrets,configmaps,pvc,serviceaccounts,ingress"
    left = kubectl.run("get", kinds, "-A", "-o", "json", timeout=120)
    assert STACK not in left
    assert "kuberay" not in left
    # A CRD that goes takes every RayCluster of everybody with it: rayline:operator.keepCrds.
    assert "rayclusters.ray.io" in kubectl.run("get", "crds", "-o", "name")
    assert registry.status(f"{REPOSITORY}/tags/list", (registry.USERNAME, registry.PASSWORD)) == 200
    stranger.run("pulumi stack rm prod")
