"""A model's files in the local Hugging Face cache, read without huggingface_hub or the network.

Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.facts.model_facts import ModelFacts, from_config
from infra.settings.models import Model

INDEX = "model.safetensors.index.json"
_PART = re.compile(r"-of-(\d+)\.safetensors$")
"""The number of parts, in the name of each; some are missing while a download runs."""
_ALTERNATIVES = ("consolidated",)
"""Prefix of Mistral's second copy of the same weights; vLLM loads only one of the two."""


def folder(environ: Mapping[str, str]) -> Path:
    """The folder of the cache, resolved as huggingface_hub does: HF_HUB_CACHE, HF_HOME,
    XDG_CACHE_HOME, ~/.cache."""
    if environ.get("HF_HUB_CACHE"):
        return Path(environ["HF_HUB_CACHE"]).expanduser()
    if environ.get("HF_HOME"):
        return Path(environ["HF_HOME"]).expanduser() / "hub"
    cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "huggingface" / "hub"


def read(cache: Path, model: Model) -> ModelFacts:
    """Facts about the model at its revision; empty if the cache does not contain it.

    A damaged or partial copy is not an error: the cluster downloads the model, not this machine.
    """
    if model.from_folder or model.revision is None:
        return ModelFacts()
    repository = "models--" + model.source.replace("/", "--")
    snapshot = cache / repository / "snapshots" / model.revision
    size = _weight_bytes(snapshot)
    config = _json(snapshot / "config.json")
    return from_config(config, size) if config else ModelFacts(weight_bytes=size)


def _weight_bytes(snapshot: Path) -> int | None:
    """The total of the index, which counts each tensor once, or else the sum of the file sizes."""
    metadata = (_json(snapshot / INDEX) or {}).get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, Mapping) else None
    if isinstance(total, int | float) and not isinstance(total, bool) and 0 < total < 2**60:
        return int(total)
    try:
        files = {
            path.name: path.stat().st_size
            for path in snapshot.glob("*.safetensors")
            if not path.name.startswith(_ALTERNATIVES)
        }
    except OSError:
        return None
    parts = [int(part[1]) for name in files if (part := _PART.search(name))]
    return None if parts and len(parts) < max(parts) else sum(files.values()) or None


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
