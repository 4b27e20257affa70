"""Clusters on which nothing is to be reported."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from infra.cluster_check.facts import (
    Meta,
    Operator,
    Pod,
    StorageClass,
    Taint,
    Volume,
    known,
)
from tests.infra.cluster_check.cases import (
    EXISTING,
    FOREIGN,
    HOME,
    OURS,
    RWO,
    RWX,
    Case,
    case,
    claim,
    classes,
    enforcing,
    labelled,
    served_by_ours,
    tainted,
)
from tests.infra.cluster_check.clusters import (
    GOOD,
    GPUS,
    KUBERAY,
    PLAIN,
    amounts,
    with_nodes,
)

OUR_OPERATOR = Meta("kuberay-operator", "kuberay-system", annotations={"rayline.dev/stack": "prod"})
FINE: Mapping[str, Case] = {
    "prod": case(GOOD, ""),
    "a live stack and its namespace": case(
        replace(
            KUBERAY,
            namespace=known(OURS),
            live=known(True),
            operators=known((Operator(OUR_OPERATOR, "1.6.2"),)),
        ),
        "",
    ),
    "an operator that an interrupted `up` has left": case(
        replace(
            KUBERAY,
            operators=known((Operator(OUR_OPERATOR, "1.6.2"),)),
        ),
        "",
    ),
    "an operator for others too": case(served_by_ours(), "", operator__watch="cluster"),
    "an operator that is confined already": case(served_by_ours("kuberay-projects"), ""),
    "workers that run already, on nodes that are cordoned now": case(
        with_nodes(
            PLAIN,
            *(replace(node, cordoned=True) for node in GPUS),
            own_pods=known(
                tuple(
                    Pod(Meta(name, labels={"ray.io/group": "rtx-3090"}), name)
                    for name in ("gpu-1", "gpu-2")
                )
            ),
        ),
        "",
    ),
    "somebody else's KubeRay": case(KUBERAY, "", **FOREIGN),
    "a free volume instead of a class": case(
        replace(classes(), volumes=known((Volume("by-hand", "cephfs", RWX),))), ""
    ),
    "a namespace of the administrators": case(
        replace(GOOD, namespace=known(HOME)), "", cluster__createNamespace=False
    ),
    "one node, whose claim is ReadWriteOnce": case(
        replace(
            claim(access_modes=RWO),
            nodes=known(
                (replace(GPUS[0], allocatable=amounts(64, 128) | {"nvidia.com/gpu": Decimal(2)}),)
            ),
        ),
        "",
        **EXISTING,
        gpuGroups__0__spread=False,
    ),
    "a claim that waits for its first pod": case(
        replace(
            claim(phase="Pending", storage_class="wait"),
            storage_classes=known((StorageClass("wait", "nfs.csi.k8s.io", waits=True),)),
        ),
        "",
        **EXISTING,
    ),
    "cards without labels": case(
        with_nodes(
            PLAIN,
            *(replace(node, labels={"node.deckhouse.io/group": "w-gpu"}) for node in GPUS),
        ),
        "",
        image__base="rayproject/ray:2.60.0-py311-cu130",
    ),
    "a prebuilt image, whose CUDA is unknown": case(
        labelled("nvidia.com/cuda.driver-version.full", "470.82.01"),
        "",
        image={"ref": f"registry.example.com/llm@sha256:{'1' * 64}", "pullSecret": "regcred"},
    ),
    "a shared card": case(labelled("nvidia.com/gpu.product", "NVIDIA-GeForce-RTX-3090-SHARED"), ""),
    "a restricted namespace": case(enforcing("restricted"), ""),
    "a level that `up` replaces": case(enforcing("restricted"), "", storage__fixPermissions=True),
    "policies that open the namespace": case(
        replace(GOOD, closed_by=known(("deny",)), opened_by=known(("inside",))), ""
    ),
    "a legacy ingress annotation": case(
        GOOD,
        "",
        serve__ingress={
            "host": "a.example.com",
            "annotations": {"kubernetes.io/ingress.class": "nginx"},
        },
    ),
    "taints that are tolerated, or only preferences": case(
        tainted(Taint("dedicated.apiac.ru", "NoExecute", "w-gpu"), Taint("x", "PreferNoSchedule")),
        "",
        gpuGroups__0__tolerations=[
            {"key": "dedicated.apiac.ru", "value": "w-gpu", "effect": "NoExecute"},
        ],
    ),
}
