"""KubeRay's CRDs, by which the API server validates a RayCluster and the pods in it.

The CRDs are 4 MB; `crds.json.gz` keeps version v1 without descriptions. They contain
Kubernetes' own schema of a pod. For another version of KubeRay, type
`python -m infra.settings.framework.kuberay FOLDER`; FOLDER contains the CRDs, as `operator.crds`.
"""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

STORED = Path(__file__).with_name("crds.json.gz")
VERSION = "1.6.2"


@cache
def _stored() -> str:
    return gzip.decompress(STORED.read_bytes()).decode()


def crds() -> list[Schema]:
    """The CRDs as manifests, without descriptions; each call makes new ones."""
    return list(json.loads(_stored()))


@cache
def spec_schema(kind: str) -> Schema:
    """The schema of `spec` of a RayCluster, RayService, RayJob or RayCronJob, version v1."""
    crd = next(crd for crd in crds() if crd["spec"]["names"]["kind"] == kind)
    (v1,) = crd["spec"]["versions"]
    found: Schema = v1["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def pod_template_schema() -> Schema:
    """The OpenAPI schema of a PodTemplateSpec (`metadata` and `spec`)."""
    found: Schema = spec_schema("RayCluster")["properties"]["headGroupSpec"]["properties"][
        "template"
    ]
    return found
