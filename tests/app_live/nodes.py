"""A Ray of four nodes on this host that claim to have GPUs, to show where placement groups go.

Reads one answer of `deployment_placement` per line of standard input, as JSON, and writes one line
with the nodes of its bundles, or null if they do not fit in time.
"""

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.serving.folders import remove

# Two nodes with one card of the requested kind, one with two cards and one with another kind.
NODES = {
    "a": {"num_gpus": 1, "resources": {"rtx-3090": 1}},
    "b": {"num_gpus": 1, "resources": {"rtx-3090": 1}},
    "c": {"num_gpus": 2, "resources": {"rtx-4090": 1}},
    "d": {"num_gpus": 1, "resources": {"rtx-3060": 1}},
}
SECONDS = 5.0


def main() -> None:
    with ExitStack() as ended:
        answer_questions(ended)


def answer_questions(ended: ExitStack) -> None:
    """Answer until standard input closes; `ended` receives the cleanup, also after an error."""
    folder = tempfile.mkdtemp(prefix="rn-", dir="/tmp")
    ended.callback(remove, Path(folder))
    # Ray's `Cluster` writes its address below this folder, regardless of its temp_dir, but does not
    # create it.
    os.environ["RAY_TMPDIR"] = folder
    (Path(folder) / "ray").mkdir()
    import ray
    from ray.cluster_utils import Cluster
    from ray.util import placement_group, placement_group_table, remove_placement_group

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "temp_dir": folder, "num_gpus": 0}
    )
    ended.callback(cluster.shutdown)
    names = {
        cluster.add_node(num_cpus=2, object_store_memory=80 * 1024**2, **node).node_id: name
        for name, node in NODES.items()
    }
    ray.init(address=cluster.address, configure_logging=False, log_to_driver=False)
    ended.callback(ray.shutdown)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        group = placement_group(
            asked["placement_group_bundles"], strategy=asked["placement_group_strategy"]
        )
        landed = None
        if group.wait(SECONDS):
            nodes = placement_group_table(group)["bundles_to_node_id"]
            landed = [names[nodes[bundle]] for bundle in sorted(nodes)]
        print(json.dumps(landed), flush=True)
        remove_placement_group(group)


if __name__ == "__main__":
    main()
