"""Environment variables that a stack may not set: rayline's, KubeRay's, and secrets."""

import re
from collections.abc import Iterator, Mapping

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.pods import SecretKeyRef
from infra.settings.framework.problems import (
    Problem,
    error,
    key_path,
    remove_command,
    set_command,
)

Parts = tuple[str | int, ...]

MODEL_VARIABLES: Mapping[str, str] = {
    "MODEL_ID": "source",
    "MODEL_REVISION": "revision",
    "MODEL_NAME": "name",
    "MODEL_ALIASES": "aliases",
    "TENSOR_PARALLELISM": "tensorParallel",
    "PIPELINE_PARALLELISM": "pipelineParallel",
    "DTYPE": "dtype",
    "GPU_MEMORY_UTIL": "gpuMemoryUtilization",
    "MAX_MODEL_LEN": "maxModelLen",
    "MAX_NUM_SEQS": "maxNumSeqs",
    "CPU_OFFLOAD_GB": "cpuOffloadGb",
    "ENABLE_CHUNKED_PREFILL": "chunkedPrefill",
    "ENABLE_ENFORCE_EAGER": "enforceEager",
    "ENGINE_ARGS": "engineArgs",
    "GPU_GROUP": "gpuGroup",
    "REPLICA_CPUS": "cpus",
    "DRAIN_SECONDS": "drainSeconds",
    "ENGINE_STALL_SECONDS": "stallSeconds",
}
"""Variables that infra.specs.serve_config writes -> the key of a model that sets them."""

OTHER_VARIABLES: Mapping[str, str] = {
    "HF_HOME": "the model cache is always at /data/model-cache",
    "HF_HUB_CACHE": "the model cache is always at /data/model-cache",
    "HF_HUB_OFFLINE": "replicas never download; the download Jobs do",
    "HF_ENDPOINT": "use rayline:hub.endpoint",
    "HF_TOKEN": "use rayline:hubToken (encrypted)",
    "HUGGING_FACE_HUB_TOKEN": "use rayline:hubToken (encrypted)",
    "JWT_KEY": "use rayline:jwtKey (encrypted)",
    "JWT_PREVIOUS_KEYS": "use rayline:jwtPreviousKeys (encrypted)",
    "USER_LIST": "use rayline:auth.users",
    "ROLES": "use rayline:auth.roles",
    "ACCESS_TOKEN_EXPIRE_MINUTES": "use rayline:auth.tokenMinutes",
    "SKIP_EXP_CHECK": "use rayline:auth.skipExpiryCheck",
    "REVOKED_SERVICE_TOKENS": "use rayline:auth.revokedServiceTokens",
    "AUTH_CONFIG_DIR": "the auth Secret is always mounted in the same folder",
    "RAY_GRAFANA_HOST": "use rayline:ray.grafanaHost",
    "RAY_PROMETHEUS_HOST": "use rayline:ray.prometheusHost",
    "RAY_AUTH_MODE": "Ray's token authentication is always on",
    "RAY_AUTH_TOKEN": "use rayline:rayToken (encrypted)",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "an allowed host could send vLLM to one that is not allowed",
    "VLLM_MAX_IMAGE_PIXELS": "use rayline:api.mediaPixels",
    "VLLM_MAX_MEDIA_DOWNLOAD_SIZE_MB": "use rayline:api.mediaBodyBytes",
    "RAY_AUTH_TOKEN_PATH": "use rayline:rayToken (encrypted)",
    "MY_POD_IP": "it is the address of the pod",
    # kuberay v1.6.2 pod.go and validation.go: KubeRay sets these, or refuses them without a status.
    **dict.fromkeys(
        (
            "RAY_ADDRESS", "RAY_PORT", "RAY_IP", "FQ_RAY_IP", "RAY_CLUSTER_NAME",
            "RAY_CLUSTER_NAMESPACE", "RAY_CLOUD_INSTANCE_ID", "RAY_NODE_TYPE_NAME",
            "KUBERAY_GEN_RAY_START_CMD", "RAY_USAGE_STATS_KUBERAY_IN_USE",
        ),
        "KubeRay sets it",
    ),
    **dict.fromkeys(
        ("RAY_REDIS_ADDRESS", "REDIS_PASSWORD", "REDIS_USERNAME", "RAY_external_storage_namespace"),
        "KubeRay refuses it: Ray's control store is not in Redis (rayline:ray.faultTolerance)",
    ),
    **dict.fromkeys(
        (
            "RAY_gcs_storage", "RAY_gcs_storage_path", "RAY_gcs_rpc_server_reconnect_timeout_s",
            "RAYLINE_CLUSTER",
        ),
        "use rayline:ray.faultTolerance",
    ),
    "RAY_enable_autoscaler_v2": "KubeRay refuses it: rayline's groups have a fixed size",
}  # fmt: skip

GUARD_PREFIX = "GUARD_"
"""Settings of the guard, which infra.rules.api judges: GUARD_TOKEN_IDS is no secret."""

_PLAIN_SECRET = (
    "its name suggests a secret, and environment variables are in plain text in pods and in the "
    "state. Put the value into a Secret of the project's namespace, which secretEnv names; models "
    "inherit the variables of their GPU group"
)
_SECRET_WORDS = frozenset(
    {"TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "CREDENTIALS", "APIKEY"}
)


@rule
def no_reserved_variable_is_set(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Messages contain names only: a value may be a secret that was put in the wrong place."""
    problems: list[Problem] = []
    for parts, names in variables(settings):
        for name in names:
            reason = _reason(name, parts)
            if reason:
                moved = _from_a_secret(settings, parts, name) if reason == _PLAIN_SECRET else ()
                problems.append(_refused((*parts, name), reason, *moved))
    return problems


@rule
def no_reserved_variable_is_set_from_a_secret(
    settings: StackSettings, _facts: Facts
) -> list[Problem]:
    """The same names are reserved, and no name has two values."""
    problems: list[Problem] = []
    for owner, plain, secret in _owners(settings):
        for name in secret:
            place = (*owner, "secretEnv", name)
            if reason := reserved(name):
                problems.append(_refused(place, reason))
            elif name in plain:
                other = key_path(*place)
                problems.append(_refused((*owner, "env", name), f"{other} sets it too"))
    return problems


def reserved(name: str) -> str | None:
    """What to use instead of a variable that Ray's containers may not have, from wherever; None if
    they may."""
    reason = _reason(name, ())
    return None if reason == _PLAIN_SECRET else reason


def looks_secret(name: str) -> bool:
    """Whether the name of a variable suggests a secret: HF_TOKEN or OPENAI_API_KEY, but not
    TOKENIZERS_PARALLELISM."""
    words = re.split(r"_+", name.upper())
    return bool(_SECRET_WORDS & set(words)) or (words[-1] == "KEY" and len(words) > 1)


def variables(settings: StackSettings) -> list[tuple[tuple[str | int, ...], Mapping[str, str]]]:
    """Every `env` of the stack, with the location of its key."""
    return [
        (("ray", "env"), settings.ray.env),
        (("ray", "head", "env"), settings.ray.head.env),
        *((("gpuGroups", i, "env"), group.env) for i, group in enumerate(settings.gpu_groups)),
        *((("models", i, "env"), model.env) for i, model in enumerate(settings.models)),
    ]


def _reason(name: str, parts: tuple[str | int, ...]) -> str | None:
    if name in MODEL_VARIABLES:
        number = parts[1] if parts[:1] == ("models",) else "<number>"
        return f"use rayline:models[{number}].{MODEL_VARIABLES[name]}"
    if name in OTHER_VARIABLES:
        return OTHER_VARIABLES[name]
    if looks_secret(name) and not name.startswith(GUARD_PREFIX):
        return _PLAIN_SECRET
    return None


def _owners(
    settings: StackSettings,
) -> Iterator[tuple[Parts, Mapping[str, str], Mapping[str, SecretKeyRef]]]:
    """Keys with an environment, its plain variables, and those from Secrets."""
    ray = settings.ray
    yield ("ray",), ray.env, ray.secret_env
    yield ("ray", "head"), ray.head.env, ray.head.secret_env
    for number, group in enumerate(settings.gpu_groups):
        yield ("gpuGroups", number), group.env, group.secret_env


def _from_a_secret(settings: StackSettings, parts: Parts, name: str) -> list[str]:
    """The commands that set a variable from a Secret. Serve's configuration of a model cannot refer
    to one, but replicas inherit the variables of the worker that they run in."""
    owner = parts[:-1]
    if owner[0] == "models":
        groups = [group.name for group in settings.gpu_groups]
        wanted = settings.models[int(owner[1])].gpu_group
        owner = ("gpuGroups", groups.index(wanted) if wanted in groups else 0)
    place = (*owner, "secretEnv", name)
    return [set_command(key_path(*place, part), f"<{part}>") for part in ("secret", "key")]


def _refused(parts: Parts, reason: str, *commands: str) -> Problem:
    key = key_path(*parts)
    repair = ", then: ".join([remove_command(key), *commands])
    return error(key, f"may not be set: {reason}. Type: {repair}")
