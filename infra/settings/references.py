"""The repositories of the hub that a model's engine arguments name."""

import contextlib
import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from infra.settings.models import Model

Use = Literal["model", "adapter", "files"]
ARGUMENTS: Mapping[tuple[str, ...], Use] = {
    ("tokenizer",): "files",
    ("hf_config_path",): "files",
    ("generation_config",): "files",
    ("speculative_config", "model"): "model",
    ("spec_model",): "model",
    ("lora_modules", "*"): "adapter",
    ("default_mm_loras", "*"): "adapter",
    ("hf_overrides", "audio_model_id"): "model",
    ("hf_overrides", "text_model_id"): "model",
}
"""Engine arguments of vLLM 0.32 that name a repository -> what is needed of it. `*` stands for
every item; an item of `lora_modules` is `name=path` or an object with the key `path`."""
_WORDS = {
    "generation_config": ("auto", "vllm"),
    # Methods without a model (SpeculativeConfig.__post_init__).
    "speculative_config": ("ngram", "ngram_gpu", "[ngram]", "suffix", "mtp"),
    "spec_model": ("ngram", "ngram_gpu", "[ngram]", "suffix", "mtp"),
}
"""Values that name no repository."""
_CODE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*?)--")
_ELSEWHERE = ("s3://", "gs://", "az://", "/")
"""Beginnings of what is not on the hub."""


@dataclass(frozen=True)
class Reference:
    """A repository that an engine argument names. `key` is its path as the user wrote it; `replace`
    puts a folder in its place."""

    key: tuple[str | int, ...]
    name: str
    use: Use
    replace: Callable[[str], None]


def references(model: Model) -> list[Reference]:
    """The repositories that the engine arguments name, the model's own among them."""
    return list(walk(copy.deepcopy(dict(model.engine_args))))


def plain(name: str) -> str:
    """An engine argument in the spelling of Python."""
    return name.removeprefix("--").replace("-", "_")


def code_repositories(value: JsonValue) -> list[str]:
    """Repositories whose code the classes of an `auto_map` name, at any depth of `value`, once."""
    found: dict[str, None] = {}
    _find_code(_parsed(value), found, inside=False)
    return list(found)


def _find_code(value: Any, found: dict[str, None], *, inside: bool) -> None:
    if isinstance(value, dict):
        for key, each in value.items():
            _find_code(each, found, inside=inside or key == "auto_map")
    elif isinstance(value, list):
        for each in value:
            _find_code(each, found, inside=inside)
    elif inside and isinstance(value, str) and (match := _CODE.match(value)):
        found[match[1]] = None


def walk(arguments: dict[str, Any]) -> Iterator[Reference]:
    """The references in engine arguments, whose `replace` changes `arguments` in place."""
    for path, use in ARGUMENTS.items():
        for key in list(arguments):
            if plain(key) == path[0]:
                yield from _inside(arguments, key, path[1:], use, (key,))


def _inside(
    parent: Any, key: Any, rest: tuple[str, ...], use: Use, where: tuple[str | int, ...]
) -> Iterator[Reference]:
    value = parent[key] = _parsed(parent[key])
    if rest and isinstance(value, dict):
        for inner in list(value):
            if rest[0] in ("*", inner):
                yield from _inside(value, inner, rest[1:], use, (*where, inner))
    elif rest and isinstance(value, list):
        for number in range(len(value)):
            value[number] = _parsed(value[number])
            inside = ("path",) if isinstance(value[number], dict) else rest[1:]
            yield from _inside(value, number, inside, use, (*where, number))
    elif isinstance(value, str):
        yield from _named(parent, key, value, use, where)


def _named(
    parent: Any, key: Any, value: str, use: Use, where: tuple[str | int, ...]
) -> Iterator[Reference]:
    prefix, equals, name = value.rpartition("=")

    def replace(folder: str) -> None:
        parent[key] = f"{prefix}{equals}{folder}"

    words = _WORDS.get(plain(str(where[0])), ())
    if name and not name.startswith(_ELSEWHERE) and name not in words:
        yield Reference(where, name, use, replace)


def _parsed(value: Any) -> Any:
    """JSON objects may be written as text, as on vLLM's command line."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value
