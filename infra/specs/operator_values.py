"""Values of KubeRay's chart."""

from infra.settings.operator import Operator
from infra.specs import Spec
from infra.specs.strategic_merge import under

NAME = "kuberay-operator"


def own_values(operator: Operator) -> Spec:
    """What rayline sets: object names without the release's name, and a custom image.

    https://github.com/ray-project/kuberay/blob/v1.6.2/helm-chart/kuberay-operator/values.yaml
    """
    chart_values: Spec = {"fullnameOverride": NAME}
    if operator.image is not None:
        repository, _, tag = operator.image.rpartition(":")
        chart_values["image"] = {"repository": repository, "tag": tag}
    return chart_values


def values(operator: Operator) -> Spec:
    """All values: `operator.values` merged under rayline's own, as Helm merges two files."""
    return under(operator.values, own_values(operator))
