"""Packets pass where a stack's NetworkPolicies list them, and nowhere else.

The policies are those that rayline makes, what enforces them is what the sandbox runs, and the API
server is real. The fast tests have the same tables: tests/infra/specs/test_network_policies.py.
"""

import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pytest

from infra.specs.manifests import pods
from infra.specs.network_policies import network_policies
from tests.apiserver.fixtures import provided
from tests.cluster.enforced.namespaces import answered, connected
from tests.cluster.enforced.world import NODE_ADDRESS, World, world
from tests.infra.specs.connections import (
    ANYWHERE,
    DASHBOARD,
    HOME,
    OPERATORS,
    PORTS,
    STRANGERS,
    ends,
)
from tests.infra.specs.policies import POLICIES, with_policies

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]

Way = tuple[str, str, int]
"""Start, end and port of a connection."""
OURS = ends(with_policies())
MATE = "second-worker"
PODS = OURS | {MATE: replace(OURS["worker"], address="10.42.2.100")}
ENDS = STRANGERS | PODS
NODE = ("root of the node", "user of the node")
SERVICES = (22, 53, 80, 443, 1234, 3000, 3128, 5432, 8090, 8443, 9090)
"""Ports of what pods might connect to: outside, and pods that no policy selects."""
AWAY = ("outside", "neighbour", "controller")
EGRESS = {"head": {53, 9090}, "worker": {53}, MATE: {53}, "download": {53, 443}}
"""DNS for all, Prometheus for the head, the hub for downloads."""


@pytest.fixture(scope="module")
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    binaries = provided(request, ("etcd", "kubernetes", "kube-network-policies"))
    listening: dict[str, Iterable[int]] = dict.fromkeys(PODS, PORTS) | dict.fromkeys(AWAY, SERVICES)
    folder = tmp_path_factory.mktemp("enforced")
    with world(binaries, folder, ENDS, listening) as made:
        yield made


def ways(table: Mapping[tuple[str, str], Iterable[int]]) -> set[Way]:
    """The connections of a table in which every worker is the same. Those of a pod with itself do
    not leave it, so nothing can be said about them."""
    return {
        (a, b, port)
        for (start, end), ports in table.items()
        for a in _each(start)
        for b in _each(end)
        for port in ports
        if a != b
    }


def _each(name: str) -> tuple[str, ...]:
    return (name, MATE) if name == "worker" else (name,)


INWARD = {(a, b, port) for a in (*ENDS, *NODE) for b in PODS for port in PORTS if a != b}
OUTWARD = {(a, b, port) for a in PODS for b in AWAY for port in SERVICES}
BY_ROOT = {way for way in INWARD if way[0] == "root of the node"}
"""kubelet's probes, and everything that the API server passes on: it is not held back."""
LISTED_OUTWARD = {way for way in OUTWARD if way[2] in EGRESS[way[0]]}


def passing(cluster: World, tried: Iterable[Way], expected: Iterable[Way]) -> set[Way]:
    places = cluster.places
    attempts = {way: (places[way[0]], places[way[1]], way[2]) for way in tried}
    return connected(attempts, set(expected))


def test_every_port_that_a_pod_declares_is_tried() -> None:
    declared = {
        port["containerPort"]
        for pod in pods(with_policies())
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
    }
    assert declared <= set(PORTS)


def test_everything_connects_where_nothing_enforces_the_policies(cluster: World) -> None:
    """So what does not connect in the other tests is refused by a policy."""
    cluster.apply(network_policies(with_policies()))
    everything = INWARD | OUTWARD
    assert passing(cluster, everything, everything) == everything


@pytest.mark.parametrize(
    ("delivery", "table"),
    [("restApi", ANYWHERE), ("rayService", ANYWHERE | OPERATORS)],
    ids=["restApi", "rayService"],
)
def test_only_what_is_listed_connects(
    cluster: World, delivery: str, table: Mapping[tuple[str, str], set[int]]
) -> None:
    cluster.apply(network_policies(with_policies(serve__delivery=delivery)))
    expected = ways(table) | BY_ROOT | LISTED_OUTWARD
    with cluster.enforced():
        assert passing(cluster, INWARD | OUTWARD, expected) == expected


def test_a_control_plane_reaches_rays_rest_api_and_nothing_else(cluster: World) -> None:
    """A user of the node stands in for an API server that is not root's process on the node."""
    wanted = {**POLICIES, "controlPlane": {"networks": [f"{NODE_ADDRESS}/32"]}}
    cluster.apply(network_policies(with_policies(network__policies=wanted)))
    tried = {way for way in INWARD if way[0] in {"user of the node", "master"}}
    expected = {("user of the node", "head", DASHBOARD)}
    with cluster.enforced():
        assert passing(cluster, tried, expected) == expected


def test_no_datagram_passes_but_for_names_and_between_head_and_workers(cluster: World) -> None:
    cluster.apply(network_policies(with_policies()))
    tried = {(a, b, port) for a in PODS for b in AWAY for port in (53, 54, 443)}
    tried |= {(a, b, port) for a in STRANGERS for b in PODS for port in (53, 8000, 8265)}
    inside = {("head", "worker", 8265), (MATE, "worker", 8265), ("worker", "head", 8000)}
    attempts = {w: (cluster.places[w[0]], cluster.places[w[1]], w[2]) for w in tried | inside}
    assert answered(attempts, attempts) == set(attempts)
    expected = inside | {way for way in tried if way[0] in PODS and way[2] == 53}
    with cluster.enforced():
        assert answered(attempts, expected) == expected


def test_a_changed_policy_counts_for_new_connections_within_seconds(cluster: World) -> None:
    cluster.apply(network_policies(with_policies()))
    with cluster.enforced():
        way = ("neighbour", "head", 6379)
        assert passing(cluster, {way}, ()) == set()
        mine = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "mine", "namespace": HOME},
            "spec": {
                "podSelector": {"matchLabels": dict(OURS["head"].labels or {})},
                "policyTypes": ["Ingress"],
                "ingress": [
                    {
                        "from": [{"podSelector": {"matchLabels": {"app": "neighbour"}}}],
                        "ports": [{"protocol": "TCP", "port": 6379}],
                    }
                ],
            },
        }
        cluster.apply([*network_policies(with_policies()), mine])
        assert passing(cluster, {way}, {way}) == {way}


def test_a_killed_enforcer_leaves_the_pods_closed_and_one_that_ends_leaves_nothing(
    cluster: World,
) -> None:
    cluster.apply(network_policies(with_policies()))
    tried = {("controller", "head", 8000), ("outside", "head", 22), ("worker", "outside", 53)}
    listed = {way for way in tried if way[2] != 22}
    unselected = {("outside", "neighbour", 22)}
    with cluster.enforced() as process:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert passing(cluster, tried | unselected, unselected) == unselected
    with cluster.enforced() as process:
        assert passing(cluster, tried, listed) == listed
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert passing(cluster, tried, tried) == tried
