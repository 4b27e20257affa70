"""Where a model comes from, how it is quantized, and what engineArgs may contain."""

import re

from pydantic import ValidationError

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    error,
    key_path,
    remove_command,
    set_command,
    warning,
)
from infra.settings.models import Model
from infra.settings.references import code_repositories, plain
from infra.settings.secret_keys import SECRET_KEYS

CACHE = "/data/model-cache/"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*")
PICKLE_FORMATS = {"pt": "*.pt", "npcache": "*.bin"}
"""vLLM's load_format -> the files that it reads."""
_AWQ = re.compile(r"(^|[^a-z])awq([^a-z]|$)")

TYPED_ARGUMENTS = {
    "model": "source",
    "revision": "revision",
    "served_model_name": "name",
    "tensor_parallel_size": "tensorParallel",
    "pipeline_parallel_size": "pipelineParallel",
    "dtype": "dtype",
    "gpu_memory_utilization": "gpuMemoryUtilization",
    "max_model_len": "maxModelLen",
    "max_num_seqs": "maxNumSeqs",
    "cpu_offload_gb": "cpuOffloadGb",
    "enable_chunked_prefill": "chunkedPrefill",
    "enforce_eager": "enforceEager",
}
"""vLLM's argument -> the key of a model that sets it (app.engine.settings.ARGUMENTS)."""

REFUSED_ARGUMENTS = frozenset(
    {
        "host", "port", "uds", "root_path", "api_key", "allow_credentials", "allowed_origins",
        "allowed_methods", "allowed_headers", "middleware", "config", "headless",
        "api_server_count", "grpc", "grpc_port", "enable_log_outputs", "model_tag",
    }
)  # fmt: skip
"""app.engine.settings.NOT_IN_ENGINE_ARGS, with which the service refuses to start. A test keeps the
two equal."""


@rule
def sources_are_pinned(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """A model of the hub at a commit, or a folder of the cache."""
    return [p for i, model in enumerate(settings.models) for p in _source(i, model)]


@rule
def awq_computes_in_half_precision(settings: StackSettings, facts: Facts) -> list[Problem]:
    """vLLM 0.32 (quantization/auto_awq.py) accepts float16 and bfloat16 and refuses float32; `auto`
    follows the checkpoint, which AWQ tools write as float16. The plain kernels, which run where
    Marlin's cannot (compute capability below 7.5, odd layer shapes), need float16, hence the
    warning."""
    return [p for i, model in enumerate(settings.models) for p in _quantization(i, model, facts)]


@rule
def engine_args_repeat_nothing(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Arguments that have a key, or that the service decides, may not be in engineArgs."""
    return [p for i, model in enumerate(settings.models) for p in _engine_args(i, model)]


@rule
def pickles_are_named(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """These formats of vLLM 0.32 (`model_loader/default_loader.py`) read pickles only, which the
    download refuses unless allowPickle names them. In other formats it finds out by the files."""
    problems = []
    for i, model in enumerate(settings.models):
        for name, value in model.engine_args.items():
            if plain(name) != "load_format" or str(value).lower() not in PICKLE_FORMATS:
                continue
            if not model.allow_pickle:
                key = key_path("models", i, "engineArgs", name)
                allow = key_path("models", i, "allowPickle", 0)
                pattern = PICKLE_FORMATS[str(value).lower()]
                problems.append(
                    error(
                        key,
                        f"is {value}, which reads weights in pickles only; they can run code when "
                        f"they are loaded. Type: {remove_command(key)}, or, if you trust the "
                        f"authors of {model.source} with this: {set_command(allow, pattern)}",
                    )
                )
    return problems


@rule
def code_has_a_commit(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """`trust_remote_code` runs the code beside the weights, which `revision` pins, and no commit
    does for a folder. hf_overrides may name code of another repository as
    `owner/name--module.Class` (`get_class_from_dynamic_module` in Transformers), which must be
    pinned too, and which offline replicas would not find."""
    return [p for i, model in enumerate(settings.models) for p in _code(i, model)]


def _code(number: int, model: Model) -> list[Problem]:
    problems: list[Problem] = []
    pinned = {each.source for each in model.extra_sources}
    for name, value in model.engine_args.items():
        key = key_path("models", number, "engineArgs", name)
        if plain(name) == "trust_remote_code" and value is True and model.from_folder:
            problems.append(
                warning(
                    key,
                    f"runs the code in {model.source}, which no commit pins: whoever may write to "
                    f"the claim decides what runs. If the model needs no code, type: "
                    f"{remove_command(key)}",
                )
            )
        elif plain(name) == "hf_overrides":
            new = key_path("models", number, "extraSources", len(model.extra_sources))
            problems += [
                error(
                    key,
                    f"names code of the repository {source}, and replicas are offline. Add it at a "
                    "commit, which its page shows (Files, History). Type: "
                    f"{set_command(f'{new}.source', source)}, then: "
                    f"{set_command(f'{new}.revision', '<40 hexadecimal digits>')}",
                )
                for source in code_repositories(value)
                if source not in pinned
            ]
    return problems


def _source(number: int, model: Model) -> list[Problem]:
    source, revision = (key_path("models", number, name) for name in ("source", "revision"))
    if model.from_folder:
        problems = []
        if not model.source.startswith(CACHE) or ".." in model.source.split("/"):
            problems.append(
                error(
                    source,
                    f"is {model.source!r}; a folder must be in the model cache, which pods mount "
                    f"at {CACHE}. Type: {set_command(source, CACHE + '<folder>')}",
                )
            )
        if model.revision is not None:
            problems.append(
                warning(
                    revision,
                    f"has no effect on a folder. Type: {remove_command(revision)}",
                )
            )
        return problems
    if not _HUB_NAME.fullmatch(model.source):
        return [
            error(
                source,
                f"is {model.source!r}; it must be a model of the hub as owner/name, for example "
                f"Qwen/Qwen3-8B, or a folder that begins with {CACHE}. "
                f"Type: {set_command(source, '<owner>/<name>')}",
            )
        ]
    if model.revision is None:
        return [
            error(
                revision,
                f"is missing: without it {model.source} could be different weights tomorrow. Take "
                "the commit from the page of the model (Files, History). "
                f"Type: {set_command(revision, '<40 hexadecimal digits>')}",
            )
        ]
    return []


def _quantization(number: int, model: Model, facts: Facts) -> list[Problem]:
    known = facts.of(model).quantization
    quantization = str(model.engine_args.get("quantization", ""))
    is_awq = (
        known == "awq" if known else bool(_AWQ.search(f"{model.source} {quantization}".lower()))
    )
    if not is_awq or model.dtype in ("float16", "auto"):
        return []
    key = key_path("models", number, "dtype")
    repair = f"Type: {set_command(key, 'float16')}"
    if model.dtype == "bfloat16":
        return [
            warning(
                key,
                f"is bfloat16, and {model.source} is AWQ-quantized: only Marlin's kernels "
                f"accept that, and float16 always works. {repair}",
            )
        ]
    return [
        error(
            key,
            f"is {model.dtype}, but {model.source} is AWQ-quantized, which vLLM runs in float16 "
            f"(or bfloat16). {repair}",
        )
    ]


def _accepts(model: Model, field: str, value: object) -> bool:
    """Whether a key of the model may have a value that a command can set."""
    if isinstance(value, list | dict | None):
        return False
    try:
        Model.model_validate(model.model_dump(by_alias=True) | {field: value})
    except ValidationError:
        return False
    return True


def _engine_args(number: int, model: Model) -> list[Problem]:
    problems: list[Problem] = []
    seen: set[str] = set()
    for name in model.engine_args:
        key = key_path("models", number, "engineArgs", name)
        argument = name.removeprefix("--").replace("-", "_")
        if argument in TYPED_ARGUMENTS:
            field = TYPED_ARGUMENTS[argument]
            place, value = key_path("models", number, field), model.engine_args[name]
            moved = f", then: {set_command(place, value)}" if _accepts(model, field, value) else ""
            problems.append(
                error(key, f"has its own key, {place}. Type: {remove_command(key)}{moved}")
            )
        elif argument in REFUSED_ARGUMENTS or argument.startswith("ssl_"):
            problems.append(
                error(
                    key,
                    "is refused by the service: Ray Serve, the guard or this configuration decides "
                    f"it (app/engine/settings.py lists which). Type: {remove_command(key)}",
                )
            )
        elif argument == "hf_token":
            problems.append(
                error(
                    key,
                    "is a secret, and engine arguments are stored in plain text in the state and "
                    "in Serve's configuration. Only downloads need it. Type: "
                    f"{remove_command(key)}, then: {SECRET_KEYS['hubToken'].command}",
                )
            )
        elif argument in seen:
            problems.append(error(key, f"is set twice. Type: {remove_command(key)}"))
        seen.add(argument)
    return problems
