"""Generates a Helm chart of the KubeRay operator from the Go module that the operator is built of.

KubeRay publishes its chart in a Helm repository, which not every network reaches. The operator's
module contains its CRDs and RBAC rules, so this chart always fits the binary. Its values have the
same names as those of KubeRay's chart (`image.repository`, `image.tag`, `resources` and so on), so
that a program can install either.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

from sandbox import paths

NAME = "kuberay-operator"
FOLDER = paths.STATE / "charts" / NAME
"""The chart of the running sandbox."""

TEMPLATES = Path(__file__).parent / "templates"


def metadata(version: str) -> dict[str, Any]:
    return {
        "apiVersion": "v2",
        "name": NAME,
        "description": "KubeRay operator, from the sandbox's own build",
        "type": "application",
        "version": version,
        "appVersion": f"v{version}",
    }


def values(image: str) -> dict[str, Any]:
    """The chart's default values; `image` is `REPOSITORY:TAG`."""
    repository, _, tag = image.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
        "fullnameOverride": NAME,
        "replicas": 1,
        "watchNamespace": [],
        "singleNamespaceInstall": False,
        "featureGates": [],
        "leaderElectionEnabled": True,
        "env": [],
        "nodeSelector": {},
        "tolerations": [],
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
    }


def generate(target: Path, operator: Path, version: str, image: str) -> None:
    """Write the chart to the folder `target`, replacing it; `operator` is the tool's folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        chart = Path(scratch) / NAME
        shutil.copytree(TEMPLATES, chart / "templates")
        shutil.copytree(operator / "share" / "crds", chart / "crds")
        (chart / "Chart.yaml").write_text(yaml.safe_dump(metadata(version), sort_keys=False))
        (chart / "values.yaml").write_text(yaml.safe_dump(values(image), sort_keys=False))
        (chart / "files").mkdir()
        role = yaml.safe_load((operator / "share" / "rbac" / "role.yaml").read_text())
        (chart / "files" / "rules.yaml").write_text(yaml.safe_dump(role["rules"]))
        shutil.rmtree(target, ignore_errors=True)
        chart.rename(target)
