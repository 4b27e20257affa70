"""The permissions that `up` and `destroy` use, derived from what the stack makes.

pulumi-kubernetes applies objects on the server's side, which is the verb patch, and create where
the object does not exist: https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from collections.abc import Iterable

from infra.cluster_check.facts import Right
from infra.settings import StackSettings
from infra.specs import control_store, monitoring, operator_chart
from infra.specs.disruption_budgets import disruption_budgets

OBJECT = ("get", "create", "patch", "delete")
"""Verbs for an object that Pulumi keeps."""
EVERYTHING = Right("*", "*", "*")
"""What a cluster administrator may do; one question then answers all."""
ROLES = (("roles", "rbac.authorization.k8s.io"), ("rolebindings", "rbac.authorization.k8s.io"))
CHART = (("deployments", "apps"), ("serviceaccounts", ""), ("services", ""), *ROLES)
"""What the operator's chart makes in its namespace.
https://github.com/ray-project/kuberay/tree/v1.6.2/helm-chart/kuberay-operator/templates"""
CLUSTER_WIDE = (("customresourcedefinitions", "apiextensions.k8s.io"),)
"""What installing the operator makes for the whole cluster."""
CLUSTER_ROLES = (
    ("clusterroles", "rbac.authorization.k8s.io"),
    ("clusterrolebindings", "rbac.authorization.k8s.io"),
)
"""What the chart makes for an operator that watches all namespaces."""


def needed(settings: StackSettings) -> tuple[Right, ...]:
    """Every permission that a first `up`, a later one, or `destroy` uses."""
    namespace = settings.cluster.namespace
    rights: list[Right] = []
    if settings.cluster.create_namespace:
        rights += _each(OBJECT, [("namespaces", "")])
    if settings.operator.install:
        rights += _each(OBJECT, [("namespaces", "")])
        rights += _each(OBJECT, CLUSTER_WIDE)
        rights += _each(OBJECT, CHART, settings.operator.namespace)
        if watched := operator_chart.watched(settings):
            rights += [each for home in watched for each in _each(OBJECT, ROLES, home)]
        else:
            rights += _each(OBJECT, CLUSTER_ROLES)
    ours = [("secrets", ""), ("serviceaccounts", ""), ("services", "")]
    if not settings.storage.existing or control_store.own_claim(settings):
        ours.append(("persistentvolumeclaims", ""))
    if settings.serve.ingress is not None:
        ours.append(("ingresses", "networking.k8s.io"))
    if settings.network.policies is not None:
        ours.append(("networkpolicies", "networking.k8s.io"))
    if disruption_budgets(settings):
        ours.append(("poddisruptionbudgets", "policy"))
    rights += _each(OBJECT, _monitoring(settings), namespace)
    by_rest_api = settings.serve.delivery == "restApi"
    ours.append(("rayclusters" if by_rest_api else "rayservices", "ray.io"))
    rights += _each(OBJECT, ours, namespace)
    rights += _each(("get", "create", "delete"), [("jobs", "batch")], namespace)
    rights += _each(("list",), [("pods", "")], namespace)
    # Ray's REST API is behind the head's Service; also where KubeRay sends the applications, it is
    # asked whether they run.
    rights += _each(("get",), [("services/proxy", "")], namespace)
    if by_rest_api:
        rights += _each(OBJECT, [("configmaps", "")], namespace)
        # The rollout deletes outdated pods.
        rights += _each(("delete",), [("pods", "")], namespace)
        rights += _each(("update", "delete"), [("services/proxy", "")], namespace)
    return tuple(dict.fromkeys(rights))


def _monitoring(settings: StackSettings) -> list[tuple[str, str]]:
    """The objects of the stack's monitoring, by plural and group."""
    return [
        (f"{each['kind'].lower()}s", each["apiVersion"].rpartition("/")[0])
        for each in monitoring.objects(settings)
    ]


def _each(
    verbs: Iterable[str], resources: Iterable[tuple[str, str]], namespace: str = ""
) -> list[Right]:
    verbs = tuple(verbs)
    return [Right(verb, name, group, namespace) for name, group in resources for verb in verbs]
