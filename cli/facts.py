"""Write the size of a model's weights and of its KV cache per token into stack files.

The check that a model fits its cards needs both. They are read from the local Hugging Face cache if
the model is in it, otherwise from the hub, without the weights; the token is HF_TOKEN, or that of
`hf auth login`. The hub is HF_ENDPOINT, or else hub.endpoint of the stack. Nothing else in a file
changes. With the values in it, every machine judges the stack alike, without cache and network.

Exit code 0: both values are in the files; 1: one of them could not be determined or written; 2:
there is no such model or stack.
"""

import argparse
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cli import stack_file, yaml_edit
from infra.facts import hub_cache
from infra.facts.model_facts import ModelFacts
from infra.rules.memory import GIB, element_bytes
from infra.settings.framework.problems import key_path, set_command
from infra.settings.hub import Hub
from infra.settings.models import Model


class FactsError(Exception):
    """Nothing can be determined; the message states what to type."""


@dataclass(frozen=True)
class Found:
    """One entry of `rayline:models` in one stack file. `key` is the file's spelling of that key."""

    path: Path
    key: str
    number: int
    model: Model
    endpoint: str

    def __str__(self) -> str:
        return f"{self.path.name}, models[{self.number}] ({self.model.name})"


def parser(prog: str = "rayline facts") -> argparse.ArgumentParser:
    description, exit_codes = __doc__.rsplit("\n\n", 1)
    root = argparse.ArgumentParser(prog=prog, description=description, epilog=exit_codes)
    root.add_argument("model", metavar="MODEL", help="a model of the stack: its name or its source")
    root.add_argument(
        *("-s", "--stack"),
        action="append",
        metavar="STACK",
        help="a stack's name or the path of its file; repeat it for several "
        "(default: every stack of the project that serves the model)",
    )
    root.add_argument(
        "--dry-run", action="store_true", help="print the commands that would set the values"
    )
    return root


def main(arguments: Sequence[str] | None = None, prog: str = "rayline facts") -> int:
    given = parser(prog).parse_args(arguments)
    try:
        entries = find(given.model, given.stack, Path.cwd())
    except (FactsError, stack_file.StackFileError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return max(_one(entry, given.dry_run) for entry in entries)


def _one(entry: Found, dry_run: bool) -> int:
    """The exit code for one entry."""
    try:
        known, origin = facts(entry, os.environ)
    except FactsError as error:
        print(f"error: {entry}: {error}", file=sys.stderr)
        return 1
    values, missing = computed(entry.model, known)
    commands = [
        set_command(_path(entry, name), float(f"{value:g}")) for name, value in values.items()
    ]
    if dry_run:
        print("\n".join(commands))
    elif yaml_edit.assign(entry.path, ("config", entry.key, entry.number), values):
        shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
        print(f"{entry}: {shown} (from {origin})")
    else:
        print(
            f"error: {entry} cannot be changed in place. Type: {', then: '.join(commands)}",
            file=sys.stderr,
        )
        return 1
    if missing:
        advice = set_command(_path(entry, "kvKibPerToken"), "<KiB per token>")
        print(
            f"warning: {entry}: kvKibPerToken cannot be computed ({missing}). Take it from vLLM's "
            f"log, or from the model's documentation. Type: {advice}",
            file=sys.stderr,
        )
    return 1 if missing else 0


def _path(entry: Found, name: str) -> str:
    return key_path("models", entry.number, name)


def find(name: str, names: Sequence[str] | None, here: Path) -> list[Found]:
    """The entries of the model in the named stack files, or in all of the project's."""
    folder = stack_file.project(here) or Path(__file__).resolve().parents[1]
    known = stack_file.stacks(folder)
    paths = [_stack(each, known, folder) for each in names] if names else [*known.values()]
    served: dict[str, None] = {}
    found = []
    for path in paths:
        try:
            entries = _models(path)
        except stack_file.StackFileError as error:
            raise FactsError(f"{path.name}: {error}") from None
        except OSError as error:
            raise FactsError(f"{path}: {error.strerror}") from None
        for each in entries:
            served[each.model.name] = None
            if name in (each.model.name, each.model.source):
                found.append(each)
    if not found:
        looked = ", ".join(path.name for path in paths) or f"{folder} (no stack file)"
        example = f". Type: rayline facts {next(iter(served))}" if served else ""
        raise FactsError(
            f"no model {name!r} in {looked}; models: {', '.join(served) or 'none'}{example}"
        )
    return found


def _stack(name: str, known: Mapping[str, Path], folder: Path) -> Path:
    stack = name.rpartition("/")[2]
    if name.endswith((".yaml", ".yml")) and Path(name).is_file():
        return Path(name)
    if stack not in known:
        raise FactsError(f"{name!r} is no stack of {folder}; stacks: {', '.join(known) or 'none'}")
    return known[stack]


def _models(path: Path) -> list[Found]:
    config = stack_file.load(path).get("config")
    config = config if isinstance(config, dict) else {}
    hub = config.get(f"{stack_file.NAMESPACE}:hub") or {}
    endpoint = hub.get("endpoint") if isinstance(hub, dict) else None
    endpoint = os.environ.get("HF_ENDPOINT") or endpoint or Hub().endpoint
    return [
        Found(path, key, number, _model(path, number, entry), str(endpoint).rstrip("/"))
        for key in (f"{stack_file.NAMESPACE}:models", "models")
        if isinstance(config.get(key), list)
        for number, entry in enumerate(config[key])
    ]


def _model(path: Path, number: int, entry: Any) -> Model:
    try:
        return Model.model_validate(entry, by_alias=True, by_name=False)
    except ValidationError:
        raise FactsError(
            f"models[{number}] of {path.name} is not valid. Type: rayline check -s {path}"
        ) from None


def facts(entry: Found, environ: Mapping[str, str]) -> tuple[ModelFacts, str]:
    """The facts, and where they come from. FactsError if neither cache nor hub has them."""
    model = entry.model
    if model.from_folder:
        size = set_command(_path(entry, "weightsGib"), "<GiB of all weight files>")
        raise FactsError(f"its weights are a folder of the cluster's claim. Type: {size}")
    if model.revision is None:
        commit = set_command(_path(entry, "revision"), "<40 hexadecimal digits>")
        raise FactsError(f"it has no revision, so its files may change. Type: {commit}")
    folder = hub_cache.folder(environ)
    cached = hub_cache.read(folder, model)
    if cached.weight_bytes and cached.layers:
        return cached, str(folder)
    from cli import hub_facts  # huggingface_hub takes a second to import

    try:
        return hub_facts.read(model.source, model.revision, entry.endpoint), entry.endpoint
    except hub_facts.HubError as error:
        raise FactsError(str(error)) from None


def computed(model: Model, known: ModelFacts) -> tuple[dict[str, float], str]:
    """The values for the stack file, and why `kvKibPerToken` is missing, or ""."""
    values: dict[str, float] = {}
    if known.weight_bytes is not None:
        values["weightsGib"] = math.ceil(known.weight_bytes / GIB * 100) / 100
    element = element_bytes(model, known)
    if known.odd_attention:
        return values, f"its attention is unusual: {known.odd_attention}"
    if known.layers is None or known.kv_heads is None or known.head_size is None:
        return values, "its config.json does not contain layers, heads and head size"
    if element is None:
        return values, "the data type of its KV cache is not known"
    size = known.kv_bytes_per_token(known.layers, known.kv_heads, element)
    values["kvKibPerToken"] = (size or 0) / 1024
    return values, ""
