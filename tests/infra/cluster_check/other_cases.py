"""Clusters that do not suit prod in anything but their nodes: rule -> what it reports."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from infra.cluster_check.facts import (
    IngressClass,
    Limit,
    Meta,
    Quota,
    Right,
    RuntimeClass,
    Secret,
    StorageClass,
    known,
)
from tests.infra.cluster_check.cases import (
    EXISTING,
    FOREIGN,
    HOME,
    INGRESS,
    OURS,
    RWO,
    Case,
    case,
    claim,
    classes,
    enforcing,
    operator,
    rights,
    served_by_ours,
)
from tests.infra.cluster_check.clusters import (
    GIB,
    GOOD,
    KUBERAY,
)

OTHER_CASES: Mapping[str, tuple[Case, ...]] = {
    "rights_suffice": (
        case(
            rights(Right("create", "namespaces"), Right("patch", "namespaces")),
            "error",
            "rayline:cluster.createNamespace needs rights",
            "create, patch namespaces",
            "'rayline:cluster.createNamespace' false",
        ),
        case(
            rights(Right("create", "customresourcedefinitions", "apiextensions.k8s.io")),
            "error",
            "rayline:operator.install needs rights",
            "create customresourcedefinitions.apiextensions.k8s.io",
        ),
        case(
            rights(Right("patch", "secrets", "", "kuberay-projects")),
            "error",
            "rayline:cluster.namespace needs rights",
            "patch secrets in kuberay-projects",
            "Type: kubectl --context production auth can-i --list -n kuberay-projects",
        ),
        case(
            rights(Right("delete", "secrets", "", "kuberay-projects")),
            "warning",
            "`destroy` fails: delete secrets in kuberay-projects",
        ),
    ),
    "runtime_classes_exist": (
        case(
            replace(GOOD, runtime_classes=known((RuntimeClass("nvidia-2"),))),
            "error",
            "'nvidai', which the cluster does not have; it has nvidia-2",
            gpuGroups__0__runtimeClassName="nvidai",
        ),
    ),
    "priority_classes_exist": (
        case(
            replace(GOOD, priority_classes=known(("high",))),
            "error",
            "'hihg', which the cluster does not have; it has high",
            "'rayline:ray.head.priorityClassName' high",
            ray__head__priorityClassName="hihg",
        ),
    ),
    "cards_are_visible_to_containers": (
        case(
            replace(GOOD, runtime_classes=known((RuntimeClass("nvidia"),))),
            "warning",
            "is not set, but the cluster has the runtime class nvidia",
            "'rayline:gpuGroups[0].runtimeClassName' nvidia",
        ),
    ),
    "the_namespace_is_as_configured": (
        case(GOOD, "error", "has no namespace kuberay-projects", cluster__createNamespace=False),
        case(replace(GOOD, namespace=known(HOME)), "warning", "exists already and was not made by"),
        case(
            replace(GOOD, namespace=known(replace(OURS, terminating=True))),
            "error",
            "is being deleted",
        ),
    ),
    "pod_security_admits_the_pods": (
        case(
            enforcing("restricted"),
            "error",
            "rayline:storage.fixPermissions is true",
            "the capabilities CHOWN",
            storage__fixPermissions=True,
            cluster__createNamespace=False,
        ),
    ),
    "network_policies_let_the_pods_talk": (
        case(replace(GOOD, closed_by=known(("deny-all",))), "warning", "network policy deny-all"),
    ),
    "quotas_have_room": (
        case(
            replace(
                GOOD,
                quotas=known(
                    (Quota("team", {"requests.cpu": Decimal(20)}, {"requests.cpu": Decimal(4)}),)
                ),
            ),
            "error",
            "ResourceQuota team",
            "requests.cpu 16 left of 20, 19.26 needed",
        ),
        case(
            replace(GOOD, quotas=known((Quota("disk", {"requests.storage": 100 * GIB}, {}),))),
            "error",
            "requests.storage 100Gi left of 100Gi, 201Gi needed",
        ),
    ),
    "limit_ranges_allow_the_pods": (
        case(
            replace(GOOD, limits=known((Limit("small", "Container", {"cpu": Decimal(8)}),))),
            "error",
            "rayline:gpuGroups[0] gives group rtx-3090 more",
            "cpu 16, at most 8",
        ),
        case(
            replace(
                GOOD, limits=known((Limit("disk", "PersistentVolumeClaim", {"storage": 50 * GIB}),))
            ),
            "error",
            "at most 50Gi per claim",
        ),
    ),
    "the_storage_class_exists": (
        case(classes(StorageClass("cephfs2", "nfs.csi.k8s.io")), "error", "'cephfs'", "cephfs2"),
        case(
            classes(StorageClass("nfs", "nfs.csi.k8s.io")),
            "error",
            "no default class",
            "Type: pulumi config set --path 'rayline:storage.storageClass' nfs",
            storage__storageClass=None,
        ),
    ),
    "the_class_of_the_control_store_exists": (
        case(
            classes(
                StorageClass("cephfs", "cephfs.csi.ceph.com"),
                StorageClass("cephfs-2", "cephfs.csi.ceph.com"),
            ),
            "error",
            "is 'cephfs2', which the cluster does not have",
            "'rayline:ray.faultTolerance.storageClass' cephfs-2",
            ray__faultTolerance__storageClass="cephfs2",
        ),
        case(
            classes(StorageClass("cephfs", "cephfs.csi.ceph.com")),
            "error",
            "is 'rbd', which the cluster does not have; its storage classes: cephfs",
            "config rm --path 'rayline:ray.faultTolerance.storageClass'",
            ray__faultTolerance__storageClass="rbd",
        ),
    ),
    "the_storage_class_offers_read_write_many": (
        case(
            classes(
                StorageClass("cephfs", "ebs.csi.aws.com"), StorageClass("efs", "efs.csi.aws.com")
            ),
            "error",
            "offers no ReadWriteMany",
            "storageClass' efs",
        ),
        case(
            classes(StorageClass("cephfs", "rook-ceph.rbd.csi.ceph.com")),
            "error",
            "rook-ceph.rbd.csi.ceph.com",
        ),
        case(
            classes(StorageClass("local-path", "rancher.io/local-path", default=True)),
            "warning",
            "the default class local-path",
            "ReadWriteOnce",
            storage__storageClass=None,
        ),
    ),
    "an_existing_claim_is_there": (
        case(GOOD, "error", "has no claim model-cache-pvc", **EXISTING),
        case(claim(phase="Lost"), "error", "has lost its volume", **EXISTING),
        case(claim(phase="Pending"), "warning", "has no volume yet", **EXISTING),
        case(
            claim(meta=Meta("model-cache-pvc", terminating=True)),
            "error",
            "is being deleted",
            **EXISTING,
        ),
    ),
    "an_existing_claim_can_be_shared": (
        case(claim(access_modes=("ReadOnlyMany",)), "error", "downloads write to it", **EXISTING),
        case(claim(access_modes=RWO), "error", "has 2 workers on as many nodes", **EXISTING),
        case(
            claim(access_modes=RWO),
            "warning",
            "the cluster has 3 nodes",
            **EXISTING,
            gpuGroups__0__workers=1,
        ),
    ),
    "an_existing_claim_is_large_enough": (
        case(claim(size=10 * GIB), "warning", "with 10 GiB", "have 13 GiB", **EXISTING),
    ),
    "the_ingress_class_exists": (
        case(
            replace(GOOD, ingress_classes=known(())),
            "warning",
            "no default ingress class",
            "Install an ingress",
            **INGRESS,
        ),
        case(
            replace(GOOD, ingress_classes=known((IngressClass("nginx"),))),
            "warning",
            "'ngnix', which the cluster does not have",
            "className' nginx",
            serve__ingress={"host": "a.example.com", "className": "ngnix"},
        ),
    ),
    "pull_secrets_exist": (
        case(
            replace(GOOD, secrets={**GOOD.secrets, "regcred": known(None)}),
            "warning",
            "which the namespace kuberay-projects does not have",
            "create secret docker-registry regcred --docker-server=registry.example.com",
        ),
        case(
            replace(GOOD, secrets={**GOOD.secrets, "regcred": known(Secret("Opaque"))}),
            "warning",
            "type Opaque",
        ),
        case(
            replace(
                GOOD,
                secrets={
                    **GOOD.secrets,
                    "regcred": known(Secret("kubernetes.io/dockerconfigjson", ("ghcr.io",))),
                },
            ),
            "warning",
            "has logins for ghcr.io, but the image is pulled from registry.example.com",
        ),
    ),
    "the_certificate_exists": (
        case(
            replace(
                GOOD,
                secrets={**GOOD.secrets, "tls": known(None)},
                ingress_classes=known((IngressClass("nginx", default=True),)),
            ),
            "warning",
            "'tls', which does not exist in kuberay-projects",
            serve__ingress={"host": "a.example.com", "tlsSecret": "tls"},
        ),
    ),
    "one_operator_is_responsible": (
        case(KUBERAY, "error", "a KubeRay operator 1.6.2 runs in elsewhere already"),
        case(
            operator(meta=Meta("kuberay-operator", "kuberay-system")),
            "error",
            "runs in kuberay-system already",
        ),
        case(GOOD, "error", "does not serve RayCluster of ray.io/v1", **FOREIGN),
        case(
            replace(KUBERAY, operators=known(())),
            "warning",
            "no Deployment of a KubeRay operator is visible",
            **FOREIGN,
        ),
    ),
    "a_confined_operator_leaves_no_cluster": (
        case(
            served_by_ours(),
            "error",
            "confine the operator to kuberay-projects",
            "serves RayClusters of others (team in research)",
            "'rayline:operator.watch' cluster",
        ),
    ),
    "a_foreign_operator_watches_the_namespace": (
        case(operator(watches=("ml", "lab")), "error", "it watches ml, lab", **FOREIGN),
    ),
    "a_foreign_operator_is_new_enough": (
        case(operator(version="1.5.1"), "error", "is 1.5.1; rayline needs 1.6.0", **FOREIGN),
        case(operator(version="1.7.0"), "warning", "version is 1.6.2, but", **FOREIGN),
    ),
}
