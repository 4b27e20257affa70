"""What `up` refuses to take and `destroy` leaves, in a real API server under the real engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver.server import OTHER_NAME, ApiServer
from tests.commands import advised
from tests.infra.providers.ownership.live import (
    NAMESPACE,
    RELEASED,
    STACK,
    LiveStack,
    chart_folder,
    controllers,
    made,
    manifest,
    objects,
    uids,
)

pytestmark = [pytest.mark.cluster, pytest.mark.engine, pytest.mark.apiserver]


@pytest.fixture
def stack(api_server: ApiServer, tmp_path: Path) -> Iterator[LiveStack]:
    with controllers(api_server):
        yield made(api_server, tmp_path)
    api_server.delete(manifest("Namespace", NAMESPACE))


def owner(stack: LiveStack) -> str:
    return str(stack.resource("Ownership")["outputs"]["stack_id"])


def test_every_object_carries_its_owner_and_a_destroy_leaves_nothing(
    stack: LiveStack, api_server: ApiServer
) -> None:
    stack.configure()
    stack.up()
    found = {**objects(api_server), "namespace": api_server.get("v1", "Namespace", NAMESPACE)}
    assert len(found) >= 8
    for name, each in found.items():
        assert each["metadata"]["annotations"].get(STACK) == owner(stack), name
        assert STACK not in str(each.get("spec")), f"{name}: a template's hash would change"
    assert set(stack.operations()) == {"same"}
    assert "warning" not in stack.destroy()
    assert api_server.find("v1", "Namespace", NAMESPACE) is None


def test_objects_of_others_are_refused_at_once_and_survive_everything(
    stack: LiveStack, api_server: ApiServer, tmp_path: Path
) -> None:
    operator = manifest(
        "Deployment",
        "ray-op",
        "apps/v1",
        metadata={"namespace": "default", "labels": {"app.kubernetes.io/name": "kuberay-operator"}},
        spec={
            "replicas": 0,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
    )
    claim = manifest(
        "PersistentVolumeClaim",
        "model-cache-pvc",
        spec={
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    )
    theirs = [
        manifest("Namespace", NAMESPACE),
        operator,
        claim,
        manifest("Secret", "auth-config", stringData={"canary": "theirs"}),
    ]
    before = [api_server.create(each) for each in theirs]
    chart = chart_folder(tmp_path, [])
    stack.configure(operator__install=True, operator__chart=str(chart), operator__repository=None)
    shown = stack.run("preview", fails=True)
    for name in (
        f"namespace/{NAMESPACE}",
        "deployment/ray-op in the namespace default",
        f"persistentvolumeclaim/model-cache-pvc in the namespace {NAMESPACE}",
        f"secret/auth-config in the namespace {NAMESPACE}",
    ):
        assert name in shown
    assert "Traceback" not in shown
    assert "These objects exist already" in stack.up(fails=True)
    stack.destroy()
    commands = [
        command for line in shown.splitlines() if "  - " in line for command in advised(line)
    ]
    assert len(commands) == 4
    for command in commands:
        stack.typed(command)
    stack.up()
    stack.destroy()
    kept = [
        api_server.get(
            each["apiVersion"],
            each["kind"],
            each["metadata"]["name"],
            each["metadata"].get("namespace"),
        )
        for each in theirs
    ]
    for was, now in zip(before, kept, strict=True):
        assert now["metadata"]["uid"] == was["metadata"]["uid"]
        assert now["metadata"]["labels"] == was["metadata"]["labels"]
        assert STACK not in now["metadata"].get("annotations", {})
    assert set(uids(api_server)) == {"secret/auth-config", "persistentvolumeclaim/model-cache-pvc"}
    api_server.delete(operator)


def test_a_renamed_context_changes_nothing_but_the_name(
    stack: LiveStack, api_server: ApiServer
) -> None:
    stack.configure()
    stack.up()
    before = uids(api_server)
    stack.configure(cluster__context=OTHER_NAME)
    assert set(stack.operations()) == {"same", "update"}
    stack.up()
    assert uids(api_server) == before
    assert set(stack.operations()) == {"same"}
    stack.destroy()
    assert api_server.find("v1", "Namespace", NAMESPACE) is None


@pytest.mark.parametrize(
    "edit",
    [{"ray__name": "other"}, {"cluster__namespace": "other"}],
    ids=lambda edit: next(iter(edit)),
)
def test_an_edited_name_is_refused_and_taking_it_back_changes_nothing(
    stack: LiveStack, api_server: ApiServer, edit: dict[str, str]
) -> None:
    stack.configure()
    stack.up()
    before = uids(api_server)
    stack.configure(**edit)
    refused = stack.up(fails=True)
    assert "this stack was deployed with" in refused
    assert "Traceback" not in refused
    assert uids(api_server) == before
    lines = [line for line in refused.splitlines() if "this stack was deployed with" in line]
    stack.typed(advised(lines[0])[0])
    assert set(stack.operations()) == {"same"}
    assert uids(api_server) == before


def test_another_cluster_behind_the_same_context_is_not_touched(
    stack: LiveStack, api_server: ApiServer, other_api_server: ApiServer
) -> None:
    stack.configure()
    stack.up()
    before, state = uids(api_server), stack.deployment()["resources"]
    theirs = [
        manifest("Namespace", NAMESPACE),
        manifest("Secret", "auth-config"),
        manifest("ServiceAccount", "sa-rayline"),
    ]
    for each in theirs:
        other_api_server.create(each)
    kubeconfig = stack.kubeconfig
    stack.kubeconfig = other_api_server.kubeconfig
    for command in ("preview", "up", "refresh", "destroy"):
        more = () if command == "preview" else ("--yes", "--skip-preview")
        refused = stack.run(command, *more, "--non-interactive", fails=True)
        assert "leads to another cluster" in refused, command
        assert "Traceback" not in refused
    for each in theirs:
        found = other_api_server.get("v1", each["kind"], each["metadata"]["name"], NAMESPACE)
        assert found["metadata"]["labels"]["canary"] == "theirs"
    other_api_server.delete(theirs[0])
    stack.kubeconfig = kubeconfig
    # A failed refresh forgets what the other cluster does not have; `up` takes it up again.
    stack.up()
    assert {r["urn"] for r in stack.deployment()["resources"]} == {r["urn"] for r in state}
    assert set(stack.operations()) == {"same"}
    assert uids(api_server) == before


def test_a_context_that_the_kubeconfig_lacks_is_refused_in_a_preview(stack: LiveStack) -> None:
    stack.configure(cluster__context="frist")
    shown = stack.run("preview", fails=True)
    assert "its contexts are first, second, stranger" in shown
    assert "pulumi config set --path 'rayline:cluster.context' first" in shown
    assert "Traceback" not in shown


def test_without_an_answer_a_preview_warns_and_an_up_fails(
    stack: LiveStack, api_server: ApiServer, tmp_path: Path
) -> None:
    stack.configure()
    stack.up()
    text = api_server.kubeconfig.read_text().replace(api_server.url, "https://127.0.0.1:1")
    (tmp_path / "silent").write_text(text)
    kubeconfig, stack.kubeconfig = stack.kubeconfig, tmp_path / "silent"
    shown = stack.run("preview")
    assert "warning: it was not checked whether objects of others are in the way" in shown
    assert "no answer from https://127.0.0.1:1" in stack.up(fails=True)
    stack.kubeconfig = kubeconfig
    assert set(stack.operations()) == {"same"}


def test_an_object_that_a_killed_up_left_is_taken_up_again(
    stack: LiveStack, api_server: ApiServer
) -> None:
    stack.configure()
    stack.up()
    before = uids(api_server)
    for resource in stack.deployment()["resources"]:
        if resource["urn"].endswith("::auth-config"):
            stack.run("state", "delete", resource["urn"], "--yes", "--target-dependents")
    assert "created" in stack.up()
    assert uids(api_server) == before


def test_a_protected_claim_is_released_and_taken_back(
    stack: LiveStack, api_server: ApiServer
) -> None:
    stack.configure(storage__protect=True)
    stack.up()
    claim = uids(api_server)["persistentvolumeclaim/model-cache-pvc"]
    first = owner(stack)
    stack.destroy()
    assert uids(api_server) == {"persistentvolumeclaim/model-cache-pvc": claim}
    for left in (objects(api_server).popitem()[1], api_server.get("v1", "Namespace", NAMESPACE)):
        assert left["metadata"]["annotations"][RELEASED] == "true"
        assert STACK not in left["metadata"]["annotations"]
    # The claim's labels are other ones than those of the first stack.
    stack.configure(storage__protect=False, ray__name="other")
    stack.up()
    assert uids(api_server)["persistentvolumeclaim/model-cache-pvc"] == claim
    assert owner(stack) != first
    taken = objects(api_server)["persistentvolumeclaim/model-cache-pvc"]
    assert taken["metadata"]["annotations"][STACK] == owner(stack)
    assert RELEASED not in taken["metadata"]["annotations"]
    stack.destroy()
    assert api_server.find("v1", "Namespace", NAMESPACE) is None


def test_a_namespace_in_which_someone_else_keeps_something_stays(
    stack: LiveStack, api_server: ApiServer
) -> None:
    stack.configure()
    stack.up()
    theirs = manifest("ConfigMap", "theirs", data={"canary": "theirs"})
    api_server.create(theirs)
    shown = stack.destroy()
    assert f"the namespace {NAMESPACE} stays" in shown
    assert "configmaps/theirs" in shown
    assert api_server.get("v1", "ConfigMap", "theirs", NAMESPACE)["data"] == {"canary": "theirs"}
    assert uids(api_server) == {}


def test_objects_of_an_earlier_version_are_taken_over_by_what_the_message_says(
    stack: LiveStack, api_server: ApiServer
) -> None:
    """Or of a stack whose state is lost. No object of theirs says whose it is."""
    stack.configure()
    stack.up()
    before = uids(api_server)
    for each in [*objects(api_server).values(), api_server.get("v1", "Namespace", NAMESPACE)]:
        api_server.patch(each, {"metadata": {"annotations": {STACK: None}}})
    stack.run("state", "delete", "--all", "--yes", "--force")
    refused = stack.up(fails=True)
    lines = [line for line in refused.splitlines() if "list them instead" in line]
    for command in advised(lines[0]):
        stack.typed(command)
    stack.up()
    assert uids(api_server) == before
    for each in objects(api_server).values():
        assert each["metadata"]["annotations"][STACK] == owner(stack)
    stack.destroy()
    assert uids(api_server) == before, "adopted objects are not deleted"
    stack.up()
    stack.configure()
    stack.up()
    stack.destroy()
    assert api_server.find("v1", "Namespace", NAMESPACE) is None
