"""The pull Secret that rayline makes itself: `image.createPullSecret`."""

import base64
import json

from infra.settings import StackSettings
from infra.settings.image import DOCKER_HUB
from infra.specs import Spec, names

TYPE = "kubernetes.io/dockerconfigjson"
KEY = ".dockerconfigjson"
_DOCKER_HUB_ADDRESS = "https://index.docker.io/v1/"
"""What Docker, containerd and kubelet call Docker Hub in files of credentials (IndexServer of
https://github.com/moby/moby/blob/v28.0.0/registry/config.go)."""


def pull_secret(settings: StackSettings) -> Spec:
    """The Secret, without its content: a `docker_config` under `KEY`."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": names.metadata(settings, names.created_pull_secret(settings)),
        "type": TYPE,
    }


def docker_config(registry: str, username: str, password: str) -> str:
    """The JSON with which containerd logs in to `registry`, a host with or without a port.

    https://kubernetes.io/docs/concepts/containers/images/#config-json
    """
    address = _DOCKER_HUB_ADDRESS if registry == DOCKER_HUB else registry
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    entry = {"username": username, "password": password, "auth": login}
    return json.dumps({"auths": {address: entry}})
