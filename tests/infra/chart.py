"""The objects of the operator's chart, as far as tests need them."""

from typing import Any

NAME = "kuberay-operator"
RBAC = "rbac.authorization.k8s.io/v1"
OFFERED = "rayjob-editor-role"
"""A role that the chart offers to users."""


def objects(namespace: str, options: object = None) -> list[dict[str, Any]]:
    """As pulumi-kubernetes renders them. `options` are in one of them, as the values of a chart
    are. With `singleNamespaceInstall` there are Roles in the watched namespaces, and no
    ClusterRoles."""

    def of(
        version: str, kind: str, name: str = NAME, home: str = namespace, **more: Any
    ) -> dict[str, Any]:
        place = {} if kind.startswith("Cluster") else {"namespace": home}
        return {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, **place},
            **more,
        }

    values = options.get("values", {}) if isinstance(options, dict) else {}
    confined = values.get("watchNamespace", [namespace])
    if not values.get("singleNamespaceInstall"):
        confined = []
    return [
        of("v1", "ServiceAccount"),
        of("v1", "Service", spec={"ports": [{"port": 8080}]}),
        of("apps/v1", "Deployment", spec={"replicas": 1, "template": {"options": options}}),
        of(RBAC, "Role", f"{NAME}-leader-election"),
        of(RBAC, "RoleBinding", f"{NAME}-leader-election"),
        *(of(RBAC, kind, home=home) for home in confined for kind in ("Role", "RoleBinding")),
        *(
            []
            if confined
            else [
                of(RBAC, "ClusterRole"),
                of(RBAC, "ClusterRoleBinding"),
                of(RBAC, "ClusterRole", OFFERED),
            ]
        ),
    ]
