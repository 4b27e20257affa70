"""Known secrets were configured and used; none of them may be readable anywhere."""

import base64
import json

import pytest

from sandbox.cluster.kubectl import Kubectl
from sandbox.images import service_image
from tests.cluster.main_job.conftest import Secrets
from tests.cluster.main_job.deployed import NAMESPACE, Deployed, audit_log
from toolchain.paths import CHECKOUT


def found(text: str, canaries: Secrets) -> list[str]:
    """Names of the secrets in the text, in plain or as Kubernetes encodes them."""
    return [
        name
        for name, value in canaries.texts().items()
        if value in text or base64.b64encode(value.encode()).decode() in text
    ]


def test_the_secrets_are_in_use(serving: Deployed, canaries: Secrets) -> None:
    """The control: `found` finds them where they belong, so the searches below can fail."""
    secrets = json.dumps(serving.get("secrets"))
    assert set(found(secrets, canaries)) == {
        "jwt_key",
        "jwt_previous",
        "hub_token",
        "ray_token",
        "hash",
    }


def test_not_in_state_nor_its_history_nor_any_output(serving: Deployed, canaries: Secrets) -> None:
    files = [path for path in serving.stack.folder.rglob("*") if path.is_file()]
    assert any("history" in path.parts for path in files)
    assert any(path.suffix == ".json" and "stacks" in path.parts for path in files)
    for path in files:
        assert found(path.read_text(errors="replace"), canaries) == [], path
    shown = serving.run("preview", "--diff").output + serving.run("config").output
    assert found("".join(serving.printed) + shown, canaries) == []


def test_not_in_what_serve_reports(serving: Deployed, kubectl: Kubectl, canaries: Secrets) -> None:
    script = (
        "import os,urllib.request as u;"
        "token=open(os.environ['RAY_AUTH_TOKEN_PATH']).read();"
        "r=u.Request('http://127.0.0.1:8265/api/serve/applications/',"
        "headers={'x-ray-authorization':'Bearer '+token});"
        "print(u.urlopen(r).read().decode())"
    )
    (head,) = serving.pods("headgroup")
    report = kubectl.run("-n", NAMESPACE, "exec", head, "--", "python", "-c", script)
    assert '"tiny"' in report
    assert found(report, canaries) == []


def test_not_in_logs_nor_objects(serving: Deployed, kubectl: Kubectl, canaries: Secrets) -> None:
    read = "cat $(find /tmp/ray/session_latest/logs -type f -size -20M)"
    for pod in serving.pods():
        ray = kubectl.run("-n", NAMESPACE, "exec", pod, "--", "bash", "-c", read, timeout=120)
        container = kubectl.run("-n", NAMESPACE, "logs", pod, "--all-containers")
        assert len(ray) > 1000
        assert found(ray + container, canaries) == [], pod
    kinds = "pods,jobs,services,configmaps,raycluster,events"
    assert found(json.dumps(serving.get(kinds)), canaries) == []
    assert found(audit_log().read_text(), canaries) == []


def test_not_in_the_environment_of_any_process(
    serving: Deployed, kubectl: Kubectl, canaries: Secrets
) -> None:
    """Ray reads its own token from a file, although KubeRay would set a variable."""
    for pod in serving.pods():
        everything = kubectl.run(
            *("-n", NAMESPACE, "exec", pod, "--", "bash", "-c"),
            "cat /proc/[0-9]*/environ | tr '\\0' '\\n'",
        )
        assert "HF_HOME" in everything
        assert "RAY_AUTH_TOKEN_PATH=" in everything
        assert found(everything, canaries) == [], pod


@pytest.fixture
def unsecret(images: dict[str, str]) -> service_image.Pushed:
    """The image of this checkout, built without any secret."""
    reference = "localhost:5000/rayline-test/app:without"
    done = service_image.build(CHECKOUT, reference, images["base"])
    assert done.code == 0, done.log[-3000:]
    return service_image.pushed(reference)


def test_not_in_the_image(
    serving: Deployed, unsecret: service_image.Pushed, canaries: Secrets
) -> None:
    """The image is byte for byte equal to one that was built without any of them."""
    pushed = service_image.at(serving.stack.outputs()["image"])
    assert pushed.layers == unsecret.layers
    assert found(json.dumps(pushed.config) + json.dumps(pushed.manifest), canaries) == []


def test_not_left_in_the_checkout(serving: Deployed, canaries: Secrets) -> None:
    for name in ("Pulumi.yaml", "Pulumi.local.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml"):
        assert found((CHECKOUT / name).read_text(), canaries) == []
