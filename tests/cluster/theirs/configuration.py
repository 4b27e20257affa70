"""What a stranger changes in the copied example with an editor."""

import json
from typing import Any

import yaml

from sandbox.local_stack import COMMITTED, injected
from sandbox.settings import Settings

MODEL = "tiny"
REPOSITORY = "llm/ray-vllm"


def edited(content: dict[str, Any], taint: str) -> dict[str, Any]:
    """The stack file after the edit, without YAML's aliases.

    On one tainted node the head and the operator need the toleration of the GPU group. The rest are
    concessions to the sandbox: the model, its hub, the sizes and the CPU are those of the stack
    `local`; base image and operator are the sandbox's. All other values are those of the example
    and of the README's commands.
    """
    config = content["config"]
    local, known = yaml.safe_load(COMMITTED.read_text())["config"], injected(Settings())
    tolerations = [{"key": taint, "operator": "Exists", "effect": "NoSchedule"}]
    (group,), (like, *_) = config["rayline:gpuGroups"], local["rayline:gpuGroups"]
    sizes = {name: like[name] for name in ("requests", "limits", "sharedMemory")}
    (model,), (tiny,) = config["rayline:models"], local["rayline:models"]
    head = local["rayline:ray"]["head"] | {"tolerations": group["tolerations"]}
    changed = {
        "rayline:image": config["rayline:image"]
        | {"base": known["rayline:image"]["base"], "device": "cpu"},
        "rayline:storage": config["rayline:storage"] | {"size": "10Gi", "protect": False},
        "rayline:operator": known["rayline:operator"] | {"values": {"tolerations": tolerations}},
        "rayline:ray": config["rayline:ray"] | {"env": local["rayline:ray"]["env"], "head": head},
        "rayline:gpuGroups": [group | sizes],
        "rayline:hub": local["rayline:hub"],
        "rayline:models": [
            tiny | {"gpuGroup": group["name"], "replicas": model["replicas"], "name": MODEL}
        ],
        "rayline:timeouts": local["rayline:timeouts"],
    }
    whole: dict[str, Any] = json.loads(json.dumps(content | {"config": config | changed}))
    return whole
