"""A new image: how much is pushed, which pods restart, and when."""

from pathlib import Path

import pytest

from sandbox.images import service_image
from sandbox.local_stack import LocalStack
from tests.cluster.main_job.client import Client
from tests.cluster.main_job.conftest import USER, Secrets
from tests.cluster.main_job.deployed import NAMESPACE, Config, Deployed
from tests.cluster.main_job.steps import step
from toolchain.paths import CHECKOUT

pytestmark = pytest.mark.long


@pytest.fixture
def changed(serving: Deployed, tmp_path: Path) -> Deployed:
    """The same stack, run from a checkout whose service differs by one line."""
    checkout = service_image.checkout(tmp_path / "another checkout")
    for name in ("infra", "Pulumi.yaml", "__main__.py", ".venv"):
        (checkout / name).symlink_to(CHECKOUT / name)
    with (checkout / "app" / "main.py").open("a") as source:
        source.write(f"# {tmp_path}\n")
    stack = LocalStack(serving.stack.folder, program=checkout)
    return Deployed(stack, serving.kubectl, serving.base, serving.printed)


def manual(config: Config) -> None:
    config["rayline:ray"]["upgrade"] = "manual"


def test_a_change_of_the_code_is_small_and_restarts_pods_unless_upgrade_is_manual(
    serving: Deployed, changed: Deployed, canaries: Secrets
) -> None:
    old = service_image.at(serving.stack.outputs()["image"])
    pods = serving.pods()

    changed.configure(manual)
    kept = changed.up()
    new = service_image.at(changed.stack.outputs()["image"])
    print(f"{new.added_to(old)} bytes pushed")
    assert new.digest != old.digest
    assert 1_000 < new.added_to(old) < 200_000
    assert changed.pods() == pods
    for pod in pods:
        assert pod in kept.output  # the output names outdated pods and the command to type
    assert "older template" in kept.output
    assert "ServeApplications applications" not in kept.changes
    # Weights do not depend on the code: no download is repeated.
    assert not [name for name in kept.changes if name.startswith("DownloadJob")]

    changed.configure()
    expected = {"PodRollout pods": "update", "ServeApplications applications": "update"}
    assert expected.items() <= changed.run("preview").changes.items()
    replaced = changed.up()
    assert expected.items() <= replaced.changes.items()
    assert not set(changed.pods()) & set(pods)
    user = Client.of(changed.stack.outputs(), "tiny", USER, canaries.password)
    assert user.chat()


def test_pods_that_someone_restarts_by_hand_get_their_applications_back(
    changed: Deployed, canaries: Secrets
) -> None:
    changed.configure(manual)
    kept = changed.up()
    pods = changed.pods()
    command = next(line for line in kept.output.splitlines() if "delete pod " in line)
    named = command.split("delete pod ")[1].split("`")[0].split()
    assert set(named) == set(pods)
    changed.kubectl.run("-n", NAMESPACE, "delete", "pod", "--wait=false", *named)

    again = changed.up()
    assert again.changes == {
        "PodRollout pods": "update",
        "ServeApplications applications": "update",
    }
    assert "older template" not in again.output
    user = Client.of(changed.stack.outputs(), "tiny", USER, canaries.password)
    assert user.chat()
    assert changed.up().changes == {}


def two_replicas(config: Config) -> None:
    config["rayline:gpuGroups"][0]["workers"] = 2
    config["rayline:models"][0]["replicas"] = 2


@pytest.mark.timeout(1200)
def test_a_model_with_a_second_replica_answers_while_its_image_is_replaced(
    serving: Deployed, changed: Deployed, canaries: Secrets
) -> None:
    serving.configure(two_replicas)
    serving.up()
    before = serving.pods()
    assert len(before) == 3
    user = Client.of(serving.stack.outputs(), "tiny", USER, canaries.password)
    released = step(changed, user, two_replicas)
    assert "PodRollout pods" in released.run.changes
    assert not set(released.before) & set(released.after)
    print(f"{released.load.answers} answers in {released.run.seconds:.0f} s")
    released.assert_tiny_was_undisturbed()
    serving.configure()
    serving.up()
