"""Clusters whose nodes or cards do not suit prod: rule -> what it reports."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from infra.cluster_check.facts import (
    Taint,
    known,
)
from tests.infra.cluster_check.cases import (
    SMALL_GPUS,
    TRAINING,
    Case,
    case,
    labelled,
    pods,
    tainted,
)
from tests.infra.cluster_check.clusters import (
    GIB,
    GOOD,
    GPUS,
    PLAIN,
    amounts,
    gpu_node,
    relabelled,
    with_nodes,
)

NODE_CASES: Mapping[str, tuple[Case, ...]] = {
    "there_are_nodes": (case(with_nodes(), "error", "a cluster without nodes"),),
    "nodes_have_the_labels": (
        case(
            labelled("node.deckhouse.io/group", "w-gpus"),
            "error",
            "rayline:gpuGroups[0].nodeGroup asks for nodes with the label",
            "Type: pulumi config set --path 'rayline:gpuGroups[0].nodeGroup' w-gpus",
        ),
        case(
            with_nodes(PLAIN, *(replace(node, labels={}) for node in GPUS)),
            "error",
            "Type: pulumi config rm --path 'rayline:gpuGroups[0].nodeGroup'",
        ),
        case(
            with_nodes(PLAIN, *GPUS),
            "error",
            'rayline:ray.head.nodeSelector["example.com/role"] asks',
            ray__head__nodeSelector={"example.com/role": "head"},
        ),
        case(
            with_nodes(PLAIN, *(replace(node, cordoned=True) for node in GPUS)),
            "error",
            "gpu-1 is cordoned, gpu-2 is cordoned",
            "uncordon gpu-1 gpu-2",
        ),
        case(
            with_nodes(PLAIN, *(replace(node, ready=False) for node in GPUS)), "error", "not Ready"
        ),
        case(
            with_nodes(PLAIN, autoscaler=known(True)),
            "warning",
            "which no node of the cluster has. Type",
        ),
    ),
    "taints_are_tolerated": (
        case(
            tainted(Taint("nvidia.com/gpu", "NoSchedule", "present")),
            "error",
            "rayline:gpuGroups[0].tolerations lets group rtx-3090 on no node: 2 nodes would suit",
            "gpu-1 has the taint nvidia.com/gpu=present:NoSchedule",
        ),
        case(
            tainted(Taint("a", "NoExecute"), Taint("b", "NoSchedule")),
            "error",
            "a:NoExecute, b:NoSchedule",
        ),
        case(
            with_nodes(
                replace(PLAIN, labels={"role": "head"}, taints=(Taint("head", "NoSchedule"),)),
                *GPUS,
            ),
            "error",
            "rayline:ray.head.tolerations lets the head on no node",
            ray__head__nodeSelector={"role": "head"},
        ),
    ),
    "nodes_offer_the_cards": (
        case(
            with_nodes(PLAIN, *(replace(node, allocatable=amounts()) for node in GPUS)),
            "error",
            "'nvidia.com/gpu', which no node of group rtx-3090 offers",
            "device plug-in",
        ),
        case(
            with_nodes(
                PLAIN,
                *(
                    replace(node, allocatable=amounts() | {"nvidia.com/gpu.shared": Decimal(4)})
                    for node in GPUS
                ),
            ),
            "error",
            "'rayline:gpuGroups[0].gpu.resource' nvidia.com/gpu.shared",
        ),
        case(GOOD, "error", "gpu.count is 2", "gpu-1 1, gpu-2 1", gpuGroups__0__gpu__count=2),
    ),
    "nodes_are_large_enough": (
        case(
            with_nodes(PLAIN, *SMALL_GPUS),
            "error",
            "rayline:gpuGroups[0].requests.cpu is 8, more than any node",
            "gpu-1 has 4. Type: pulumi config set --path 'rayline:gpuGroups[0].requests.cpu' "
            "--type string 4",
        ),
        case(
            GOOD,
            "error",
            "rayline:gpuGroups[0].requests.memory is 93.1 GiB",
            gpuGroups__0__requests={"cpu": 8, "memory": "100G"},
            gpuGroups__0__limits={"cpu": 16, "memory": "100G"},
        ),
        case(
            with_nodes(
                replace(PLAIN, allocatable=amounts(2, 16)),
                *(
                    replace(node, taints=(Taint("dedicated.apiac.ru", "NoExecute", "w-gpu"),))
                    for node in GPUS
                ),
            ),
            "error",
            "rayline:ray.head.requests.cpu is 3",
            "plain has 2",
        ),
    ),
    "there_are_enough_nodes": (
        case(
            with_nodes(PLAIN, GPUS[0]),
            "error",
            "rayline:gpuGroups[0].workers is 2, but 1 of them fit, one per node (`spread`): gpu-1",
        ),
        case(
            with_nodes(
                PLAIN,
                replace(GPUS[0], allocatable={**amounts(64, 100), "nvidia.com/gpu": Decimal(3)}),
            ),
            "error",
            "workers is 4, but 3 of them fit",
            gpuGroups__0__workers=4,
            gpuGroups__0__spread=False,
        ),
    ),
    "enough_is_free": (
        case(
            pods(TRAINING), "warning", "leaves 1 pod of group rtx-3090 waiting", "others/training"
        ),
        case(pods(replace(TRAINING, requests={"cpu": Decimal(30)})), "warning", "others/training"),
        case(
            with_nodes(
                replace(
                    GPUS[0],
                    allocatable={**GPUS[0].allocatable, "cpu": Decimal(10)},
                )
            ),
            "warning",
            "rayline:ray.head.requests leaves 1 pod of the head waiting",
            "needed by the stack's other pods",
            gpuGroups__0__workers=1,
            models__0__pipelineParallel=1,
        ),
    ),
    "the_cards_are_the_configured_model": (
        case(
            labelled("nvidia.com/gpu.product", "NVIDIA-GeForce-RTX-3090-Ti"),
            "warning",
            "NVIDIA-GeForce-RTX-3090-Ti",
            "'rayline:gpuGroups[0].gpu.model' 'RTX 3090 Ti'",
        ),
        case(labelled("nvidia.com/gpu.product", "NVIDIA-L4"), "warning", "gpu.model' L4"),
    ),
    "the_cards_have_the_configured_memory": (
        case(labelled("nvidia.com/gpu.memory", "23034"), "warning", "has 22.5 GiB"),
    ),
    "the_driver_is_new_enough": (
        case(
            labelled("nvidia.com/cuda.driver-version.full", "570.133.20"),
            "error",
            "rayline:image.base has CUDA 13.0, which needs driver 580 or newer",
            "gpu-1 570.133.20, gpu-2 570.133.20",
            image__base="rayproject/ray:2.60.0-py311-cu130",
        ),
        case(
            with_nodes(
                PLAIN,
                *GPUS,
                relabelled(
                    gpu_node("old"), **{"nvidia.com/cuda.driver-version.full": "570.133.20"}
                ),
            ),
            "warning",
            "old 570.133.20",
            image__base="rayproject/ray:2.60.0-py311-cu130",
        ),
        case(
            labelled("nvidia.com/cuda.driver-version.full", "470.82.01"),
            "error",
            "needs driver 525.60.13",
            image__base="rayproject/ray:2.60.0-py311-cu128",
        ),
    ),
    "nodes_have_disk_for_the_image": (
        case(
            with_nodes(
                PLAIN,
                *(
                    replace(node, allocatable={**node.allocatable, "ephemeral-storage": 10 * GIB})
                    for node in GPUS
                ),
            ),
            "warning",
            "gpu-1, whose disk has 11 GB",
        ),
    ),
}
