"""`rayline facts`: a stack file, and what a hub serves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from sandbox.hub.repositories import COMMIT
from sandbox.hub.server import Hub

CONFIG = {
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 5120,
    "torch_dtype": "bfloat16",
}
INDEX = "model.safetensors.index.json"
GIB = 1024**3
Serve = Callable[..., Hub]
Write = Callable[..., Path]


def file_name(keyword: str) -> str:
    return {"index": INDEX}.get(keyword, keyword if "." in keyword else keyword.replace("_", "."))


STACK = """\
# A comment at the top.
config:
  rayline:models:
    - name: one # the first
      source: rayline/tiny
      revision: "%s"   # pinned
      gpuGroup: big
      env:
        A: "1"
      # About the context.
      maxModelLen: 4096
      # Nothing follows.
  rayline:cluster: {context: a}
"""


def write(project: Path, text: str = STACK, name: str = "dev") -> Path:
    path = project / f"Pulumi.{name}.yaml"
    path.write_text(text % COMMIT if "%s" in text else text)
    return path


def entry(path: Path) -> dict[str, Any]:
    model: dict[str, Any] = yaml.safe_load(path.read_text())["config"]["rayline:models"][0]
    return model
