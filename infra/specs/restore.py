"""What brings lost applications back: a container of the head, and the ConfigMap that it reads.

docs/adr/0035-what-was-lost-comes-back.md
"""

import json

from infra.settings import StackSettings
from infra.specs import Leaf, Spec, names, pod_parts, ray_token
from infra.specs.serve_config import serve_config

CONTAINER = "restore"
BODY = "applications.json"
"""Key with the body that Serve should have. The key `finished` beside it is written by the provider
of ServeApplications: the SHA-256 of the body that was RUNNING when an `up` ended."""
RESOURCES = {
    "requests": {"cpu": "10m", "memory": "32Mi"},
    "limits": {"cpu": "200m", "memory": "64Mi"},
}
"""The process takes 9 MB of its own, and 18 MB with the pages of the interpreter's files."""
# A prebuilt image may be older than this program. -S: nothing of site-packages is needed.
COMMAND = """\
python -S -c 'import app.restore' || {
  echo 'This image cannot restore lost applications: build it anew, or type pulumi up after a loss'
  exec sleep infinity
}
exec python -S -m app.restore
"""
_WANTED = "wanted-applications"


def is_needed(settings: StackSettings) -> bool:
    """KubeRay itself restores the applications of a RayService."""
    return settings.serve.delivery == "restApi"


def config_map(settings: StackSettings) -> Spec:
    """The ConfigMap. It contains no secret, as the configuration of Serve does not."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(settings, names.wanted_applications(settings)),
        "data": {BODY: json.dumps(serve_config(settings), indent=1, sort_keys=True)},
    }


def containers(settings: StackSettings, image: Leaf) -> list[Spec]:
    """The container beside Ray in the head, which may be reached by nobody and reaches Ray alone.
    Ray's token is its only secret."""
    if not is_needed(settings):
        return []
    return [
        {
            "name": CONTAINER,
            "image": image,
            "imagePullPolicy": settings.image.pull_policy,
            "command": ["/bin/sh", "-c", COMMAND],
            "securityContext": {**pod_parts.container_security(), "readOnlyRootFilesystem": True},
            "resources": RESOURCES,
            "volumeMounts": [
                # Never subPath: kubelet updates files in running pods only if folders are mounted.
                {"name": _WANTED, "mountPath": names.WANTED_MOUNT, "readOnly": True},
                {"name": ray_token.VOLUME, "mountPath": names.RAY_TOKEN_MOUNT, "readOnly": True},
            ],
        }
    ]


def volumes(settings: StackSettings) -> list[Spec]:
    """Beside those of Ray's container, which has the token too.

    The ConfigMap is optional: the first head starts while the weights are being downloaded.
    """
    if not is_needed(settings):
        return []
    wanted = {"name": names.wanted_applications(settings), "optional": True}
    return [{"name": _WANTED, "configMap": wanted}]
