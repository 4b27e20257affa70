"""Golden files: every object of the production stack, as YAML.

After an intended change of infra/specs, run `python -m tests.infra.golden` and read the diff.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from infra.settings import StackSettings
from infra.specs import restore, services
from infra.specs.auth_config import auth_config
from infra.specs.disruption_budgets import disruption_budgets
from infra.specs.download_job import download_job
from infra.specs.network_policies import network_policies
from infra.specs.pod_templates import pod_templates
from infra.specs.ray_cluster import ray_cluster
from infra.specs.ray_service import ray_service
from infra.specs.serve_config import serve_config
from tests.infra.specs.original import IMAGE, original, production
from tests.infra.specs.policies import with_policies

FOLDER = Path(__file__).parent


def objects(settings: StackSettings) -> Mapping[str, Any]:
    """File name -> content of every object that infra.specs makes."""
    templates = pod_templates(settings, IMAGE)
    serve = settings.serve.model_copy(update={"delivery": "rayService"})
    by_kuberay = settings.model_copy(update={"serve": serve})
    return {
        "ray-cluster.yaml": ray_cluster(settings, templates),
        "ray-service.yaml": ray_service(by_kuberay, pod_templates(by_kuberay, IMAGE)),
        "wanted-applications.yaml": restore.config_map(settings),
        "serve-config.yaml": serve_config(settings),
        "auth-secret.yaml": auth_config(
            settings.auth,
            {user.name: f"<hash of {user.name}'s password>" for user in settings.auth.users},
            "<signing key>",
            "<previous signing keys>",
        ),
        "api-service.yaml": services.api_service(settings),
        # The production stack has no Ingress, but the original deployment has one.
        "ingress.yaml": services.ingress(settings if settings.serve.ingress else original()),
        "disruption-budgets.yaml": disruption_budgets(settings),
        # The production stack has none, because that depends on the network of a cluster.
        "network-policies.yaml": network_policies(
            settings if settings.network.policies else with_policies()
        ),
        **{
            f"download-{model.name.lower()}.yaml": download_job(settings, model, IMAGE)
            for model in settings.models
        },
    }


@cache
def texts() -> Mapping[str, str]:
    """File name -> text, of the production stack."""
    return {
        name: yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=100)
        for name, content in objects(production()).items()
    }


def update() -> list[Path]:
    """Writes changed files and removes those without an object; returns the paths of both."""
    wanted = texts()
    changed = [path for path in FOLDER.glob("*.yaml") if path.name not in wanted]
    for path in changed:
        path.unlink()
    for name, text in wanted.items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    return changed


class _Dumper(yaml.SafeDumper):
    """Writes repeated labels without anchors, and strings of several lines as blocks."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
