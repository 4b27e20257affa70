"""The Job that downloads a model's weights into the claim, or checks that they are there."""

from infra.settings import StackSettings
from infra.settings.models import Model
from infra.specs import Leaf, Spec, extra_sources, names, network, pod_parts
from infra.specs.adapted import JOB_DEFAULTS, Adapted

# A dropped connection or a busy hub is temporary; a wrong name is not (MISTAKE_CODE). Files that
# are already in the cache are not downloaded again.
RETRIES = 4
# Exit code of `python -m app.download` if retrying is pointless until someone changes something.
MISTAKE_CODE = 2
CONTAINER = "download"
CERTIFICATES = "certificates"
MODEL_LABEL = "rayline.dev/model"

# Children first and the folder last: if the folder has the right owner, so does everything in it,
# even if an earlier run was interrupted.
FIX_OWNER = (
    f"folder={names.CACHE_MOUNT}; owner={pod_parts.USER_ID}:{pod_parts.GROUP_ID}; "
    'test "$(stat -c %u:%g "$folder")" = "$owner" || '
    '{ find "$folder" -mindepth 1 -exec chown --no-dereference "$owner" {} + && '
    'chown "$owner" "$folder"; }'
)


def download_job(
    settings: StackSettings, model: Model, image: Leaf, *, secret_proxy: bool = False
) -> Spec:
    """A Job that completes once all weights of `model` are in the claim.

    It runs where the model's GPU group does, unless `hub` states other nodes: their taints are
    tolerated already, and they pull the same image. `secret_proxy`: the proxy's address is in the
    Secret. The image is at `spec.template.spec.containers[0].image`, and with
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
            "template": pod(settings, model, image, secret_proxy=secret_proxy).template,
        },
    }


def pod(
    settings: StackSettings, model: Model, image: Leaf, *, secret_proxy: bool = False
) -> Adapted:
    """The pod template of the Job."""
    own = {
        "metadata": {"labels": _labels(settings, model)},
        "spec": _pod(settings, model, image, secret_proxy=secret_proxy),
    }
    return Adapted(settings.hub.pod_template.partial, own, JOB_DEFAULTS)


def arguments(settings: StackSettings, model: Model) -> list[str]:
    """Arguments of `python -m app.download`. The files are absent if what they contain is not
    set."""
    extra = extra_sources.options(model)
    if is_offline(model):
        return ["--folder", model.source, *extra]
    origin = ["--folder" if model.from_folder else "--source", model.source]
    revision = ["--revision", model.revision] if model.revision else []
    secret = names.HUB_TOKEN_MOUNT
    files = [
        *("--token-file", f"{secret}/{names.HUB_TOKEN_KEY}"),
        *("--proxy-file", f"{secret}/{names.PROXY_KEY}"),
        *("--ca-file", f"{secret}/{names.AUTHORITIES_KEY}"),
    ]
    if settings.network.ca_config_map is not None:
        files += ["--ca-file", f"{names.AUTHORITIES_MOUNT}/{settings.network.ca_config_map.key}"]
    return [*origin, *revision, *extra, *files]


def is_offline(model: Model) -> bool:
    """Whether everything is in the claim already, so that the Job only checks it."""
    return model.from_folder and not model.extra_sources


def _labels(settings: StackSettings, model: Model) -> dict[str, str]:
    return {
        **names.managed_labels(settings),
        names.COMPONENT_LABEL: names.DOWNLOAD_COMPONENT,
        MODEL_LABEL: model.name,
    }


def _pod(settings: StackSettings, model: Model, image: Leaf, *, secret_proxy: bool) -> Spec:
    token: Spec = {
        "name": pod_parts.HUB_TOKEN_VOLUME,
        "secret": {
            "secretName": names.hub_token_secret(settings),
            "optional": True,
            "defaultMode": pod_parts.SECRET_FILE_MODE,
        },
    }
    offline = is_offline(model)
    mounts = [pod_parts.cache_mount(read_only=offline)]
    volumes = [pod_parts.cache_volume(settings)]
    if not offline:
        volumes.append(token)
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
        "args": arguments(settings, model),
        "env": pod_parts.environment(
            {"HF_HOME": names.CACHE_MOUNT, "HF_ENDPOINT": settings.hub.endpoint},
            network.environment(settings.network, secret_proxy=secret_proxy),
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
    certificates = settings.network.ca_config_map
    if certificates is not None and not offline:
        volumes.append({"name": CERTIFICATES, "configMap": {"name": certificates.name}})
        mounts.append(
            {"name": CERTIFICATES, "mountPath": names.AUTHORITIES_MOUNT, "readOnly": True}
        )
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
        **_placement(settings, model),
        "containers": [container],
        "volumes": volumes,
    }


def _placement(settings: StackSettings, model: Model) -> Spec:
    group, hub = settings.group(model.gpu_group), settings.hub
    tolerated = group.tolerations if hub.tolerations is None else hub.tolerations
    spec = pod_parts.group_nodes(group) if hub.node_selector is None else {}
    if hub.node_selector:
        spec["nodeSelector"] = dict(hub.node_selector)
    if tolerated:
        spec["tolerations"] = pod_parts.tolerations(tolerated)
    return spec


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
