"""The RayService: the same cluster and the same applications, restored by KubeRay."""

import yaml

from infra.settings import StackSettings
from infra.specs import Spec
from infra.specs.pod_templates import PodTemplates
from infra.specs.ray_cluster import API_VERSION, cluster_metadata, ray_cluster_spec
from infra.specs.serve_config import serve_config


def ray_service(settings: StackSettings, templates: PodTemplates) -> Spec:
    """The whole RayService.

    With `upgrade: recreate`, KubeRay starts a second cluster beside the first (NewCluster), which
    needs the same number of free cards again; with `manual`, it leaves running pods alone (None).
    Only numbers of workers and groups appended at the end reach a running cluster in place
    (rayservice_controller.go, shouldUpdateCluster).
    """
    upgrade = "NewCluster" if settings.ray.upgrade == "recreate" else "None"
    return {
        "apiVersion": API_VERSION,
        "kind": "RayService",
        "metadata": cluster_metadata(settings),
        "spec": {
            "upgradeStrategy": {"type": upgrade},
            "serveConfigV2": yaml.safe_dump(serve_config(settings), sort_keys=False),
            "rayClusterConfig": ray_cluster_spec(settings, templates),
        },
    }
