"""The schemas by which the API server validates objects, for tests without an API server.

KubeRay's CRDs are 4 MB; of them `kuberay.json.gz` keeps the schema of `spec`, version v1, without
descriptions. For another version of KubeRay, regenerate it with
`python -m tests.infra.specs.schemas FOLDER`, where FOLDER is the chart's `crds`.
"""

import gzip
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

STORED = Path(__file__).with_name("kuberay.json.gz")
KINDS = {"RayCluster": "ray.io_rayclusters.yaml", "RayService": "ray.io_rayservices.yaml"}


def problems(kind: str, spec: Any) -> list[str]:
    """What the API server would refuse, or drop silently because there is no such field."""
    validator = jsonschema.Draft202012Validator(closed(stored()[kind]))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(spec)]


@cache
def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(STORED.read_bytes()))
    return found


def closed(schema: Any) -> Any:
    """The schema, but refusing unknown fields, which the API server would only drop."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        is_open = schema.get("x-kubernetes-preserve-unknown-fields") or (
            "additionalProperties" in schema
        )
        if not is_open:
            inner["additionalProperties"] = False
    return inner


def undescribed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [undescribed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: undescribed(value)
        for key, value in schema.items()
        if not (key == "description" and isinstance(value, str))
    }


def store(folder: Path) -> None:
    """Reads the CRDs and writes `STORED`; the same CRDs give the same bytes."""
    kept = {}
    for kind, name in KINDS.items():
        versions = yaml.safe_load((folder / name).read_text())["spec"]["versions"]
        v1 = next(version for version in versions if version["name"] == "v1")
        kept[kind] = undescribed(v1["schema"]["openAPIV3Schema"]["properties"]["spec"])
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    STORED.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    store(Path(sys.argv[1]))
