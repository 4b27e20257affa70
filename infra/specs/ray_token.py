"""Ray's token as a file of head and workers.

KubeRay sets the variable RAY_AUTH_TOKEN from the Secret of `authOptions`, unless the container has
the variable already (SetContainerTokenAuthEnvVars of
https://github.com/ray-project/kuberay/blob/v1.6.2/ray-operator/controllers/ray/common/pod.go).
Every program that a Ray process starts would inherit the token then. Ray takes an empty variable
for none, and reads the file (src/ray/rpc/authentication/authentication_token_loader.cc of Ray
2.60). KubeRay gives its init container the same variables and mounts.
"""

from infra.settings import StackSettings
from infra.specs import Spec, names, pod_parts

VOLUME = "ray-token"


def environment() -> dict[str, str]:
    """The variables of a Ray container."""
    return {"RAY_AUTH_TOKEN": "", "RAY_AUTH_TOKEN_PATH": names.RAY_TOKEN_FILE}


def mount() -> Spec:
    """The mount of the file. With subPath, kubelet leaves the file of a running container as it is.
    After the Secret has changed, a new process of Ray would otherwise read a token that the older
    processes of the cluster refuse."""
    return {
        "name": VOLUME,
        "mountPath": names.RAY_TOKEN_FILE,
        "subPath": names.RAY_TOKEN_KEY,
        "readOnly": True,
    }


def volume(settings: StackSettings) -> Spec:
    """The volume of the mount. A Secret without the key fails to be mounted."""
    return {
        "name": VOLUME,
        "secret": {
            "secretName": names.ray_token_secret(settings),
            "items": [{"key": names.RAY_TOKEN_KEY, "path": names.RAY_TOKEN_KEY}],
            "defaultMode": pod_parts.SECRET_FILE_MODE,
        },
    }
