"""The Job that brings a model's weights into the claim, or looks whether they are there."""

from infra.settings import StackSettings
from infra.settings.models import Model
from infra.specs import Leaf, Spec, names, pod_parts

# A cut connection or a full queue at the hub passes; a wrong name does not. What is in the cache
# already is not downloaded again.
RETRIES = 4
# `python -m app.download`: it needs someone's hand first, so another try is in vain.
MISTAKE_CODE = 2
CONTAINER = "download"
MODEL_LABEL = "rayline.dev/model"

# Children first and the folder last: whoever finds the folder owned rightly may rely on the rest,
# also when an earlier run was cut off.
FIX_OWNER = (
    f"folder={names.CACHE_MOUNT}; owner={pod_parts.USER_ID}:{pod_parts.GROUP_ID}; "
    'test "$(stat -c %u:%g "$folder")" = "$owner" || '
    '{ find "$folder" -mindepth 1 -exec chown --no-dereference "$owner" {} + && '
    'chown "$owner" "$folder"; }'
)


def download_job(settings: StackSettings, model: Model, image: Leaf) -> Spec:
    """A Job that is complete when `model`'s weights are whole in the claim. It runs on any node.

    The image stands at `spec.template.spec.containers[0].image`, and where
    `storage.fixPermissions` is set at `spec.template.spec.initContainers[0].image`.
    """
    labels = {
        **names.managed_labels(settings),
        names.COMPONENT_LABEL: "model-download",
        MODEL_LABEL: model.name,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.download_job_name(settings, model),
            "namespace": settings.cluster.namespace,
            "labels": labels,
        },
        "spec": {
            # No ttlSecondsAfterFinished: Pulumi would find it gone and download once more.
            "backoffLimit": RETRIES,
            # https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": CONTAINER,
                            "operator": "In",
                            "values": [MISTAKE_CODE],
                        },
                    },
                    # A drained node is no failed attempt.
                    {
                        "action": "Ignore",
                        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                    },
                ]
            },
            "activeDeadlineSeconds": settings.timeouts.download_seconds,
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(settings, model, image),
            },
        },
    }


def arguments(model: Model) -> list[str]:
    """Of `python -m app.download`. Without a hub's token the file of it is absent."""
    if model.from_folder:
        return ["--folder", model.source]
    revision = ["--revision", model.revision] if model.revision else []
    token_file = f"{names.HUB_TOKEN_MOUNT}/{names.HUB_TOKEN_KEY}"
    return ["--source", model.source, *revision, "--token-file", token_file]


def _pod(settings: StackSettings, model: Model, image: Leaf) -> Spec:
    token: Spec = {
        "name": pod_parts.HUB_TOKEN_VOLUME,
        "secret": {
            "secretName": names.hub_token_secret(settings),
            "optional": True,
            "defaultMode": pod_parts.SECRET_FILE_MODE,
        },
    }
    mounts = [pod_parts.cache_mount(read_only=model.from_folder)]
    if not model.from_folder:
        mounts.append(
            {
                "name": pod_parts.HUB_TOKEN_VOLUME,
                "mountPath": names.HUB_TOKEN_MOUNT,
                "readOnly": True,
            }
        )
    container = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": settings.image.pull_policy,
        "command": ["python", "-m", "app.download"],
        "args": arguments(model),
        "env": pod_parts.environment(
            {"HF_HOME": names.CACHE_MOUNT, "HF_ENDPOINT": settings.hub.endpoint}
        ),
        "resources": {
            "requests": {"cpu": "250m", "memory": "1Gi"},
            "limits": {"cpu": "2", "memory": "4Gi"},
        },
        "securityContext": pod_parts.container_security(),
        "volumeMounts": mounts,
        # Its last lines say what is wrong; so `pulumi up` and `kubectl describe` do as well.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    fix = [_fix_owner(settings, image)] if settings.storage.fix_permissions else []
    return {
        # Never: the pods of failed attempts stay, and with them their logs.
        "restartPolicy": "Never",
        "serviceAccountName": names.service_account(settings),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_parts.pod_security(),
        **pod_parts.pull_secrets(settings),
        **({"initContainers": fix} if fix else {}),
        "containers": [container],
        "volumes": [
            pod_parts.cache_volume(settings),
            *([] if model.from_folder else [token]),
        ],
    }


def _fix_owner(settings: StackSettings, image: Leaf) -> Spec:
    """The only container of rayline that runs as root, with no more than chown needs."""
    return {
        "name": "fix-owner",
        "image": image,
        "imagePullPolicy": settings.image.pull_policy,
        "command": ["/bin/sh", "-c", FIX_OWNER],
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "256Mi"},
        },
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]},
        },
        "volumeMounts": [pod_parts.cache_mount(read_only=False)],
    }
