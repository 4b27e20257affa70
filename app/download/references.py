"""Other repositories that a model's own files name. Replicas are offline, so each must be in the
cache too."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from app.download.errors import MistakeError

CONFIGURATIONS = (
    "config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json",
    "video_preprocessor_config.json", "image_processor_config.json",
)  # fmt: skip
# transformers_utils/configs/ultravox.py and model_executor/models/ultravox.py in vLLM 0.32
CODE = "code (auto_map)"
PARTS = ("audio_model_id", "text_model_id")


def require_known(folder: Path, source: str, known: Collection[str], *, runs_code: bool) -> None:
    """Raise `MistakeError` for a repository that the folder's files name and that is not `known`.

    `auto_map` names classes as `owner/name--module.Class`; they matter only if the model's own code
    runs (`trust_remote_code`). https://huggingface.co/docs/transformers/custom_models
    """
    for file in CONFIGURATIONS:
        content = _read(folder / file)
        for name, why in _named(content, runs_code=runs_code):
            if name != source and name not in known:
                raise _unknown(source, name, file, why)
    verifier = _read(folder / "config.json").get("speculators_config")
    if isinstance(verifier, dict):
        target = (verifier.get("verifier") or {}).get("name_or_path") or "its target model"
        raise MistakeError(
            f"{source} only speculates for {target}. Set `source` to {target}, and name this one "
            "in `engineArgs.speculative_config.model` and `extraSources`."
        )


def require_code(folder: Path, source: str, known: Collection[str]) -> None:
    """Raise `MistakeError` for a repository whose code the files of a further repository name, and
    that is not `known`: a tokenizer or a draft model may bring code along too."""
    for file in CONFIGURATIONS:
        for name, why in _named(_read(folder / file), runs_code=True):
            if why == CODE and name not in {source, *known}:
                raise _unknown(source, name, file, why)


def _unknown(source: str, name: str, file: str, why: str) -> MistakeError:
    return MistakeError(
        f"{source} needs a second repository, {name}: {file} names it as {why}, and "
        "replicas are offline. Add it at a commit to the model's `extraSources`: "
        f"- {{source: {name}, revision: <commit>}}"
    )


def _named(content: Any, *, runs_code: bool) -> Iterator[tuple[str, str]]:
    """Repositories in a configuration, at any depth, and what each is for."""
    if isinstance(content, list):
        for each in content:
            yield from _named(each, runs_code=runs_code)
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == "auto_map" and isinstance(value, dict):
            if runs_code:
                for reference in _texts(list(value.values())):
                    name, separator, _ = reference.partition("--")
                    if separator:
                        yield name, CODE
        elif key in PARTS and isinstance(value, str) and value.count("/") == 1:
            yield value, f"a part of the model ({key})"
        else:
            yield from _named(value, runs_code=runs_code)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _read(path: Path) -> dict[str, Any]:
    """The content; empty if it is missing or broken, which `inspect` reports where it matters."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
