"""The operator's chart: its objects are the stack's, and nothing of somebody else becomes so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import chart as sandbox_chart
from tests.apiserver.fixtures import provided
from tests.apiserver.server import ApiServer
from tests.infra import chart as chart_objects
from tests.infra.providers.ownership.live import (
    NAMESPACE,
    STACK,
    LiveStack,
    chart_folder,
    controllers,
    made,
)
from tests.infra.providers.ownership.live import manifest as foreign

pytestmark = [pytest.mark.cluster, pytest.mark.engine, pytest.mark.apiserver]

RBAC = chart_objects.RBAC
HOME = "kuberay-system"
ROLE, OFFERED = chart_objects.NAME, chart_objects.OFFERED
"""The operator's own role, and one that it offers to users."""


def role(name: str) -> dict[str, Any]:
    rules = [{"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["get"]}]
    return {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """One without a Deployment, which would need a node."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": ROLE, "namespace": HOME},
    }
    return chart_folder(tmp_path, [account, role(ROLE), role(OFFERED)])


@pytest.fixture
def stack(api_server: ApiServer, tmp_path: Path, chart: Path) -> Iterator[LiveStack]:
    with controllers(api_server):
        stack = made(api_server, tmp_path)
        stack.configure(
            operator__install=True,
            operator__chart=str(chart),
            operator__crds=str(chart / "crds"),
            operator__repository=None,
        )
        yield stack
    for name in (NAMESPACE, HOME):
        api_server.delete(foreign("Namespace", name))


def urn(stack: LiveStack, name: str) -> str:
    """The only resource of the state with this name of an object."""
    found = [each["urn"] for each in stack.deployment()["resources"] if each["urn"].endswith(name)]
    return str(next(each for each in found if "ClusterRole::" in each))


def test_the_charts_objects_are_marked_and_a_destroy_leaves_none(
    stack: LiveStack, api_server: ApiServer
) -> None:
    stack.up()
    owner = str(stack.resource("Ownership")["outputs"]["stack_id"])
    found = [api_server.get(RBAC, "ClusterRole", name) for name in (ROLE, OFFERED)]
    found.append(api_server.get("v1", "ServiceAccount", ROLE, HOME))
    assert [each["metadata"]["annotations"][STACK] for each in found] == [owner] * 3
    assert set(stack.operations()) == {"same"}

    # As an `up` leaves them that was killed between their creation and their record.
    for name in (ROLE, OFFERED):
        stack.run("state", "delete", "--yes", "--target-dependents", urn(stack, name))
    assert stack.operations()["create"] >= 2
    stack.up()
    again = [api_server.get(RBAC, "ClusterRole", name) for name in (ROLE, OFFERED)]
    assert [e["metadata"]["uid"] for e in again] == [e["metadata"]["uid"] for e in found[:2]]

    stack.destroy()
    for name in (ROLE, OFFERED):
        assert api_server.find(RBAC, "ClusterRole", name) is None
    assert api_server.find("v1", "Namespace", HOME) is None


@pytest.mark.parametrize("name", [ROLE, OFFERED])
def test_an_object_of_somebody_else_is_refused_and_stays(
    stack: LiveStack, api_server: ApiServer, name: str
) -> None:
    theirs = role(name)
    before = api_server.create(theirs)
    try:
        for shown in (stack.run("preview", fails=True), stack.up(fails=True)):
            assert f"clusterrole/{name}" in shown
            assert "pulumi config set --path 'rayline:operator.install' false" in shown
            assert "Traceback" not in shown
        stack.destroy()
        assert api_server.get(RBAC, "ClusterRole", name) == before
    finally:
        api_server.delete(theirs)


def test_a_chart_that_cannot_be_rendered_is_a_mistake_of_the_user(
    stack: LiveStack, chart: Path
) -> None:
    (chart / "templates" / "all.yaml").write_text('{{ fail "watchNamespace must be a list" }}')
    for shown in (stack.run("preview", fails=True), stack.up(fails=True)):
        assert "rayline:operator.chart: the chart of the KubeRay operator cannot be rend" in shown
        assert "watchNamespace must be a list" in shown
        assert "Traceback" not in shown


def test_the_sandboxs_chart_confines_the_operator(
    stack: LiveStack, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Its Role is in the stack's namespace, and a ClusterRole is made for `watch: cluster` only."""
    binary = provided(request, ("kuberay-operator",))["kuberay-operator"]
    own = tmp_path / "sandbox chart"
    sandbox_chart.generate(own, binary.resolve().parents[1], "1.6.2", "localhost:5000/operator:a")
    for watch, kind, argument in (
        ("namespace", "Role", f"--watch-namespace={NAMESPACE}"),
        ("cluster", "ClusterRole", None),
    ):
        stack.configure(
            operator__install=True,
            operator__chart=str(own),
            operator__crds=str(own / "crds"),
            operator__repository=None,
            operator__watch=watch,
        )
        shown = stack.run("preview", "--json")
        steps = json.loads(shown[shown.index("{") :])["steps"]
        made = [
            s["newState"]["inputs"] for s in steps if "newState" in s and "inputs" in s["newState"]
        ]
        roles = {
            (each["kind"], each["metadata"].get("namespace"))
            for each in made
            if each.get("kind", "").endswith("Role") and "rules" in each
        }
        own_role = (kind, NAMESPACE if kind == "Role" else None)
        assert roles == {own_role, ("Role", HOME)}
        (deployment,) = (each for each in made if each.get("kind") == "Deployment")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        watched = [a for a in container["args"] if a.startswith("--watch-namespace")]
        assert watched == ([argument] if argument else [])
