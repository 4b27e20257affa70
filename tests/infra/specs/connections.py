"""Who connects to the pods of the production stack with NetworkPolicies, as tables.

One test compares them with what the policies mean, another with what packets do.
"""

from infra.settings import StackSettings
from infra.specs import names
from infra.specs.manifests import pods
from tests.infra.specs.policies import CONTROL_PLANE, INGRESS, MONITORING, End

API, METRICS, DASHBOARD = 8000, 8080, 8265
# GCS, dashboard, client, agents, HAProxy's statistics and metrics, replicas, one chosen at random.
INSIDE = (6379, 8265, 10001, 52365, 8404, 9101, 30000, 30999, 43210)
PORTS = (22, API, METRICS, *INSIDE)
HOME = "kuberay-projects"
OUTSIDE = End()
CONTROLLER = End("10.42.1.1", INGRESS, {"app.kubernetes.io/name": INGRESS})
PROMETHEUS = End("10.42.1.2", MONITORING, {"app": "prometheus"})
OPERATOR = End("10.42.1.3", "kuberay-system", {"app.kubernetes.io/name": "kuberay-operator"})
NEIGHBOUR = End("10.42.1.4", HOME, {"app": "neighbour", "app.kubernetes.io/managed-by": "rayline"})
MASTER = End(CONTROL_PLANE)
CLIENT = End("198.51.100.7")
STRANGERS = {
    "controller": CONTROLLER,
    "client": CLIENT,
    "prometheus": PROMETHEUS,
    "master": MASTER,
    "operator": OPERATOR,
    "neighbour": NEIGHBOUR,
    "outside": OUTSIDE,
    "beside-the-controller": End("10.42.1.5", INGRESS, {"app": "other"}),
    "like-the-controller": End("10.42.1.6", "elsewhere", CONTROLLER.labels),
    "other-stack": End(
        "10.42.1.7",
        HOME,
        {
            "app.kubernetes.io/managed-by": "rayline",
            "app.kubernetes.io/part-of": "other",
            names.NODE_TYPE_LABEL: "worker",
        },
    ),
}
ANYWHERE: dict[tuple[str, str], set[int]] = {
    ("controller", "head"): {API},
    ("controller", "worker"): {API},
    ("client", "head"): {API},
    ("client", "worker"): {API},
    ("prometheus", "head"): {METRICS},
    ("prometheus", "worker"): {METRICS},
    ("master", "head"): {DASHBOARD},
    ("head", "worker"): set(PORTS),
    ("worker", "head"): set(PORTS),
    ("head", "head"): set(PORTS),
    ("worker", "worker"): set(PORTS),
}
"""Start and end to TCP ports; what is absent does not connect."""
OPERATORS: dict[tuple[str, str], set[int]] = {("operator", "head"): {API, DASHBOARD}}
"""Added by the delivery `rayService`."""


def ends(wanted: StackSettings) -> dict[str, End]:
    """head, worker and download as KubeRay and Kubernetes make them."""
    found = {}
    for number, pod in enumerate(pods(wanted)):
        kind = pod["spec"]["containers"][0]["name"]
        labels = dict(pod["metadata"]["labels"])
        if kind != "download":
            labels[names.NODE_TYPE_LABEL] = "head" if kind == names.HEAD_CONTAINER else "worker"
            labels[names.CLUSTER_LABEL] = f"{wanted.ray.name}-abcde"
        found[kind.removeprefix("ray-")] = End(f"10.42.2.{number}", HOME, labels)
    return found
