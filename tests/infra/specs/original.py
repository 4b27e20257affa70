"""The original hand-made deployment (docs/origin.md) as a stack configuration, and prod."""

from typing import Any

from infra.settings import StackSettings
from tests.stacks import committed

IMAGE = "registry.example.com/llm/ray-vllm@sha256:" + "0" * 64

_CUSTOM_TARGET = {"prometheus.deckhouse.io/custom-target": "deepseek-raycluster"}
_TOLERATIONS = [{"key": "dedicated.apiac.ru", "value": "w-gpu", "effect": "NoExecute"}]

ORIGINAL: dict[str, Any] = {
    "cluster": {"context": "production", "namespace": "kuberay-projects"},
    "image": {"repository": "registry.example.com/llm/ray-vllm", "pullSecret": "regcred"},
    "storage": {"claim": "model-cache-pvc", "storageClass": "cephfs", "existing": True},
    "ray": {
        "name": "deepseek-raycluster",
        "serviceAccount": "sa-deepseek-cluster",
        "labels": _CUSTOM_TARGET,
        "annotations": {
            "ray.io/enable-serve-service": "true",
            "prometheus.deckhouse.io/port": "8080",
            "prometheus.deckhouse.io/query-param-format": "prometheus",
            "prometheus.deckhouse.io/sample-limit": "5000",
        },
        "env": {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"},
        "grafanaHost": "https://prometheus.d8-monitoring:9090",
        "prometheusHost": "https://prometheus.d8-monitoring:9090",
    },
    "gpuGroups": [
        {
            "name": "rtx-3090",
            "gpu": {"model": "RTX 3090", "memoryGib": 24},
            "workers": 2,
            "nodeGroup": "w-gpu",
            "tolerations": _TOLERATIONS,
            "labels": {"component": "ray-worker"},
        },
        {
            "name": "rtx-3060",
            "gpu": {"model": "RTX 3060", "memoryGib": 12},
            "enabled": False,
            "nodeGroup": "w-gpu-3060",
            "tolerations": _TOLERATIONS,
            "labels": {"component": "ray-worker-3060"},
        },
    ],
    "models": [
        {
            "name": "Dolphin3.0",
            "source": "Valdemardi/Dolphin3.0-R1-Mistral-24B-AWQ",
            "revision": "0" * 40,
            "gpuGroup": "rtx-3090",
            "pipelineParallel": 2,
            "dtype": "float16",
            "gpuMemoryUtilization": 0.97,
            "maxModelLen": 32768,
            "maxNumSeqs": 128,
            "cpuOffloadGb": 12.0,
            "chunkedPrefill": True,
            "enforceEager": True,
            "route": "/",
        }
    ],
    "auth": {"users": [{"name": "alice", "role": "admin"}, {"name": "bob", "role": "guest"}]},
    "serve": {"ingress": {"host": "llm.example.com", "tlsSecret": "llm-tls"}},
}


def original(**changes: Any) -> StackSettings:
    """These settings, with whole keys replaced by the arguments (camelCase, as in YAML)."""
    return StackSettings.model_validate({**ORIGINAL, **changes})


def production() -> StackSettings:
    """The settings of Pulumi.prod.yaml."""
    return StackSettings.model_validate(committed("prod"))
