"""The Job that downloads a model's weights into the claim, or checks that they are there."""

from infra.settings import StackSettings
from infra.settings.models import Model
from infra.specs import Leaf, Spec, names, pod_parts
from infra.specs.adapted import JOB_DEFAULTS, Adapted

# A dropped connection or a busy hub is temporary; a wrong name is not (MISTAKE_CODE). Files that
# are already in the cache are not downloaded again.
RETRIES = 4
# Exit code of `python -m app.download` if retrying is pointless until someone changes something.
MISTAKE_CODE = 2
CONTAINER = "download"
MODEL_LABEL = "rayline.dev/model"

# Children first and the folder last: if the folder has the right owner, so does everything in it,
# even if an earlier run was interrupted.
FIX_OWNER = (
    f"folder={names.CACHE_MOUNT}; owner={pod_parts.USER_ID}:{pod_parts.GROUP_ID}; "
    'test "$(stat -c %u:%g "$folder")" = "$owner" || '
    '{ find "$folder" -mindepth 1 -exec chown --no-dereference "$owner" {} + && '
    'chown "$owner" "$folder"; }'
)


def download_job(settings: StackSettings, model: Model, image: Leaf) -> Spec:
    """A Job that completes once all weights of `model` are in the claim. It runs on any node.

    The image is at `spec.template.spec.containers[0].image`, and with
    `storage.fixPermissions` also at `spec.template.spec.initContainers[0].image`.
    """
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.download_job_name(settings, model),
            "namespace": settings.cluster.namespace,
            "labels": _labels(settings, model),
        },
        "spec": {
            # No ttlSecondsAfterFinished: Pulumi would miss the deleted Job and download again.
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
                    # Draining a node does not count as a failed attempt.
                    {
                        "action": "Ignore",
                        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                    },
                ]
            },
            "activeDeadlineSeconds": settings.timeouts.download_seconds,
            "template": pod(settings, model, image).template,
        },
    }


def pod(settings: StackSettings, model: Model, image: Leaf) -> Adapted:
    """The pod template of the Job."""
    own = {
        "metadata": {"labels": _labels(settings, model)},
        "spec": _pod(settings, model, image),
    }
    return Adapted(settings.hub.pod_template.partial, own, JOB_DEFAULTS)


def arguments(model: Model) -> list[str]:
    """Arguments of `python -m app.download`. The token file is absent if no hub token is set."""
    if model.from_folder:
        return ["--folder", model.source]
    revision = ["--revision", model.revision] if model.revision else []
    token_file = f"{names.HUB_TOKEN_MOUNT}/{names.HUB_TOKEN_KEY}"
    return ["--source", model.source, *revision, "--token-file", token_file]


def _labels(settings: StackSettings, model: Model) -> dict[str, str]:
    return {
        **names.managed_labels(settings),
        names.COMPONENT_LABEL: "model-download",
        MODEL_LABEL: model.name,
    }


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
        # The last lines of the log contain the reason; this shows them in `pulumi up` and
        # `kubectl describe`.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    fix = [_fix_owner(settings, image)] if settings.storage.fix_permissions else []
    return {
        # With Never, the pods of failed attempts stay, and so do their logs.
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
    """The only container of rayline that runs as root, with only the capabilities of chown."""
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
