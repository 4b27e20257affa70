"""Checks that a folder is a complete model, by its configuration, index and headers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.download.errors import MistakeError

INDEXES = (
    "model.safetensors.index.json",
    "consolidated.safetensors.index.json",
    "pytorch_model.bin.index.json",
)
MAX_HEADER = 100 * 1024**2
"""Bytes; the limit of the safetensors format."""


@dataclass(frozen=True)
class Model:
    """`kind` is the model_type of config.json; `size` is the size of the weight files, in bytes."""

    kind: str
    weights: int
    size: int


def inspect(folder: Path) -> Model:
    """The model in the folder; `MistakeError` names a file that is missing or broken."""
    if not folder.is_dir():
        raise MistakeError(
            f"{folder} is not a folder on the volume: copy the model there, or change the model's "
            "`source`."
        )
    kind = _kind(folder)
    for name in INDEXES:
        _require_indexed(folder / name)
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if not weights:
        raise MistakeError(f"{folder} contains no weights: no *.safetensors and no *.bin")
    for path in weights:
        if path.suffix == ".safetensors":
            _require_whole(path)
    return Model(kind, len(weights), sum(path.stat().st_size for path in weights))


def _kind(folder: Path) -> str:
    if not (folder / "config.json").exists() and (folder / "params.json").exists():
        return "mistral"  # Mistral's own format; vLLM reads it
    config = _json(folder / "config.json")
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise MistakeError(f"{folder / 'config.json'} has no `model_type`: not a model for vLLM")
    return kind


def _require_indexed(index: Path) -> None:
    if not index.exists():
        return
    listed = _json(index).get("weight_map")
    if not isinstance(listed, dict):
        raise MistakeError(f"{index} has no `weight_map`")
    absent = sorted(name for name in set(listed.values()) if not (index.parent / name).is_file())
    if absent:
        raise MistakeError(
            f"the model is incomplete: {index} lists {', '.join(absent[:3])}"
            f"{' and more' if absent[3:] else ''}, which "
            f"{'is' if len(absent) == 1 else 'are'} missing"
        )


def _require_whole(path: Path) -> None:
    """The header of a safetensors file states its length, which reveals a truncated copy.

    https://huggingface.co/docs/safetensors/index#format
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(MAX_HEADER, size):
            raise MistakeError(f"{path} is not a safetensors file, or is truncated")
        try:
            header: dict[str, Any] = json.loads(stream.read(length))
            tensors = [entry for name, entry in header.items() if name != "__metadata__"]
            end = 8 + length + max((entry["data_offsets"][1] for entry in tensors), default=0)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise MistakeError(f"{path} is not a safetensors file, or is truncated") from None
    if end != size:
        raise MistakeError(f"{path} has {size} bytes, but its header states {end}: copy it again")


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MistakeError(f"{path} is missing: not a model for vLLM") from None
    except ValueError:
        raise MistakeError(f"{path} is not JSON") from None
    if not isinstance(content, dict):
        raise MistakeError(f"{path} is not a JSON object")
    return content
