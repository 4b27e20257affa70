"""KubeRay's chart: its values, where it comes from, and the namespace of its objects."""

from collections.abc import Iterable

from infra.settings import StackSettings
from infra.settings.operator import Operator
from infra.specs import Spec, pod_security
from infra.specs.strategic_merge import under

NAME = "kuberay-operator"
_SCOPE = frozenset({"singleNamespaceInstall", "watchNamespace"})
"""Values of the chart with which a stack decides itself what the operator watches."""


def own_values(operator: Operator) -> Spec:
    """What rayline sets: object names without the release's name, and a custom image.

    https://github.com/ray-project/kuberay/blob/v1.6.2/helm-chart/kuberay-operator/values.yaml
    """
    chart_values: Spec = {"fullnameOverride": NAME}
    if operator.image is not None:
        repository, _, tag = operator.image.rpartition(":")
        chart_values["image"] = {"repository": repository, "tag": tag}
    return chart_values


def values(settings: StackSettings) -> Spec:
    """All values: `operator.values` merged under rayline's own, as Helm merges two files.

    With `singleNamespaceInstall`, the chart makes a Role in each namespace that the operator
    watches, and no ClusterRole.
    """
    operator = settings.operator
    scope: Spec = {}
    if operator.watch == "namespace" and not _SCOPE & set(operator.values):
        scope = {"singleNamespaceInstall": True, "watchNamespace": [settings.cluster.namespace]}
    return scope | under(operator.values, own_values(operator))


def watched(settings: StackSettings) -> tuple[str, ...]:
    """The namespaces that the operator watches; empty: all (templates/deployment.yaml of the
    chart)."""
    chosen = values(settings)
    if chosen.get("watchNamespace"):
        return tuple(map(str, chosen["watchNamespace"]))
    return (settings.operator.namespace,) if chosen.get("singleNamespaceInstall") else ()


def template(settings: StackSettings) -> Spec:
    """What renders the chart, without its CRDs, which rayline applies itself."""
    operator = settings.operator
    fetched = operator.repository or operator.chart.startswith("oci://")
    source: Spec = {"path": operator.chart}
    if fetched:
        source = {"chart": operator.chart, "version": operator.version}
    if operator.repository:
        source["fetch_opts"] = {"repo": operator.repository}
    return source | {
        "release_name": NAME,
        "namespace": operator.namespace,
        "values": values(settings),
        "skip_crd_rendering": True,
    }


def resources(objects: Iterable[Spec]) -> list[Spec]:
    """The chart's objects as resources: nothing waits for the Service, which Pulumi would do for 10
    seconds after its pods are ready."""
    return [
        under(each, {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}})
        if each["kind"] == "Service"
        else each
        for each in objects
    ]


def namespace(settings: StackSettings, objects: Iterable[Spec]) -> Spec:
    """The operator's Namespace. It enforces the strictest Pod Security level that admits the pods
    of the chart, under the same conditions as the project's (infra.specs.platform)."""
    name, cluster = settings.operator.namespace, settings.cluster
    theirs = {*cluster.adopt, f"namespace/{cluster.namespace}"}
    level = None
    if cluster.pod_security != "none" and f"namespace/{name}" not in theirs:
        level = pod_security.strictest(
            each["spec"]["template"] for each in objects if each["kind"] == "Deployment"
        )
    labels = pod_security.labels(level)
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
    }
