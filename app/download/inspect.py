"""Checks that a folder is a complete model, by its configuration, index and headers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.download import formats
from app.download.errors import MistakeError
from app.download.pickles import NONE, Allowed
from app.download.remote import RemoteFile
from app.download.selection import Selection

MAX_HEADER = 100 * 1024**2
"""Bytes; the limit of the safetensors format."""


@dataclass(frozen=True)
class Model:
    """`kind` is the model_type of config.json; `size` is the size of the weight files, in bytes."""

    kind: str
    weights: int
    size: int


def inspect(folder: Path, load_format: str = "auto", pickles: Allowed = NONE) -> Model:
    """The model in the folder, as vLLM would load it.

    `MistakeError` names a file that is missing, broken, or a pickle that is not allowed.
    """
    if not folder.is_dir():
        raise MistakeError(
            f"{folder} is not a folder on the volume: copy the model there, or change the model's "
            "`source`."
        )
    kind = _kind(folder)
    names = [path.name for path in folder.iterdir() if path.is_file()]
    form = formats.chosen(names, load_format)
    if form is None:
        if formats.order(load_format):
            raise MistakeError(f"{folder} contains no weights: {formats.wanted(load_format)}")
        return Model(kind, 0, 0)
    loaded = {name for name in names if form.matches(name)}
    listed = _listed(folder, form)
    _require_present(folder, listed - loaded, form)
    weights = sorted(folder / name for name in (listed & loaded or loaded))
    pickles.require((path.name for path in weights), str(folder))
    for path in weights:
        if form.is_safetensors:
            _require_whole(path)
    return Model(kind, len(weights), sum(path.stat().st_size for path in weights))


def indexed(folder: Path, selection: Selection) -> list[RemoteFile]:
    """The weights of a selection that the index in the folder names, and those of modules.

    vLLM loads no others of the same format. MistakeError if the index names files that the
    repository does not have.
    """
    form = selection.format
    if form is None:
        return selection.weights
    listed = _listed(folder, form)
    _require_present(folder, listed - {file.path for file in selection.weights}, form)
    if not listed or not form.is_safetensors:
        return selection.weights
    return [
        file
        for file in selection.weights
        if file.path in listed
        or "/" in file.path
        or not form.matches(file.path)
        or file.path in formats.HEADS
    ]


def _listed(folder: Path, form: formats.Format) -> set[str]:
    """The files that the format's index names; none without an index."""
    if form.index is None or not (folder / form.index).exists():
        return set()
    listed = _json(folder / form.index).get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(n, str) for n in listed.values()):
        raise MistakeError(f"{folder / form.index} has no `weight_map`")
    return set(listed.values())


def _kind(folder: Path) -> str:
    if not (folder / "config.json").exists() and (folder / "params.json").exists():
        return "mistral"  # Mistral's own format; vLLM reads it
    config = _json(folder / "config.json")
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise MistakeError(f"{folder / 'config.json'} has no `model_type`: not a model for vLLM")
    return kind


def _require_present(folder: Path, missing: set[str], form: formats.Format) -> None:
    if missing:
        absent = sorted(missing)
        raise MistakeError(
            f"the model is incomplete: {folder / str(form.index)} lists {', '.join(absent[:3])}"
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
