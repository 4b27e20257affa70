"""Writes `crds.json.gz`; the same CRDs give the same bytes."""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from infra.settings.framework.kuberay import STORED


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
    found = [
        yaml.load(path.read_text(), yaml.CSafeLoader) for path in sorted(folder.glob("*.yaml"))
    ]
    for crd in found:
        # v1alpha1 repeats most of v1, and rayline uses v1 only.
        crd["spec"]["versions"] = [v for v in crd["spec"]["versions"] if v["name"] == "v1"]
    text = json.dumps(undescribed(found), sort_keys=True, separators=(",", ":"))
    STORED.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    store(Path(sys.argv[1]))
