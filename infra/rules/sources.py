"""Where a model comes from, how it is quantized, and what engineArgs may say."""

import re

from infra.facts.gathering import Facts
from infra.settings import StackSettings
from infra.settings.models import Model
from infra.settings.problems import Problem, error, key_path, remove_command, set_command, warning
from infra.settings.secret_keys import SECRET_KEYS

CACHE = "/data/model-cache/"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*")
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
"""vLLM's argument -> the key of a model that says it (app.engine.settings.ARGUMENTS)."""

REFUSED_ARGUMENTS = frozenset(
    {
        "host", "port", "uds", "root_path", "api_key", "allow_credentials", "allowed_origins",
        "allowed_methods", "allowed_headers", "middleware", "config", "headless",
        "api_server_count", "grpc", "grpc_port", "enable_log_outputs", "model_tag",
    }
)  # fmt: skip
"""app.engine.settings.NOT_IN_ENGINE_ARGS: the service refuses to start with them; said here, before
that. A test keeps the two equal."""


def check(settings: StackSettings, facts: Facts) -> list[Problem]:
    found: list[Problem] = []
    for number, model in enumerate(settings.models):
        found += _source(number, model)
        found += _quantization(number, model, facts)
        found += _engine_args(number, model)
    return found


def _source(number: int, model: Model) -> list[Problem]:
    source, revision = (key_path("models", number, name) for name in ("source", "revision"))
    if model.from_folder:
        found = []
        if not model.source.startswith(CACHE) or ".." in model.source.split("/"):
            found.append(
                error(
                    source,
                    f"is {model.source!r}; a folder must lie in the model cache, which pods see as "
                    f"{CACHE}. Type: {set_command(source, CACHE + '<folder>')}",
                )
            )
        if model.revision is not None:
            found.append(
                warning(
                    revision,
                    f"says nothing about a folder. Type: {remove_command(revision)}",
                )
            )
        return found
    if not _HUB_NAME.fullmatch(model.source):
        return [
            error(
                source,
                f"is {model.source!r}; allowed is a model of the hub as owner/name, such as "
                f"Qwen/Qwen3-8B, or a folder that begins with {CACHE}. "
                f"Type: {set_command(source, '<owner>/<name>')}",
            )
        ]
    if model.revision is None:
        return [
            error(
                revision,
                f"is missing: without it {model.source} would be other weights tomorrow. Take the "
                "commit from the model's page (Files, History). "
                f"Type: {set_command(revision, '<40 hexadecimal digits>')}",
            )
        ]
    return []


def _quantization(number: int, model: Model, facts: Facts) -> list[Problem]:
    """AWQ computes in half precision. vLLM 0.32 (quantization/auto_awq.py) takes float16 and
    bfloat16 and refuses float32; `auto` follows the checkpoint, which AWQ tools write as float16.
    The how-to's vLLM 0.6.5 took float16 only, as its plain kernels still do where Marlin's cannot
    be used (compute capability below 7.5, odd layer shapes), hence the warning."""
    known = facts.of(model).quantization
    given = str(model.engine_args.get("quantization", ""))
    is_awq = known == "awq" if known else bool(_AWQ.search(f"{model.source} {given}".lower()))
    if not is_awq or model.dtype in ("float16", "auto"):
        return []
    key = key_path("models", number, "dtype")
    repair = f"Type: {set_command(key, 'float16')}"
    if model.dtype == "bfloat16":
        return [
            warning(
                key,
                f"is bfloat16, and {model.source} is AWQ-quantized: only Marlin's kernels take "
                f"that, float16 always works. {repair}",
            )
        ]
    return [
        error(
            key,
            f"is {model.dtype}, but {model.source} is AWQ-quantized, which vLLM runs in float16 "
            f"(or bfloat16). {repair}",
        )
    ]


def _engine_args(number: int, model: Model) -> list[Problem]:
    found: list[Problem] = []
    seen: set[str] = set()
    for name in model.engine_args:
        key = key_path("models", number, "engineArgs", name)
        argument = name.removeprefix("--").replace("-", "_")
        if argument in TYPED_ARGUMENTS:
            field = key_path("models", number, TYPED_ARGUMENTS[argument])
            found.append(
                error(
                    key,
                    f"has a key of its own, {field}. Type: {remove_command(key)}, then: "
                    f"{set_command(field, model.engine_args[name])}",
                )
            )
        elif argument in REFUSED_ARGUMENTS or argument.startswith("ssl_"):
            found.append(
                error(
                    key,
                    "is refused by the service: Ray Serve, its guard or this configuration decide "
                    f"that (app/engine/settings.py says which). Type: {remove_command(key)}",
                )
            )
        elif argument == "hf_token":
            found.append(
                error(
                    key,
                    "is a secret, and engine arguments are in plain text in the state and in "
                    "Serve's configuration. Only downloads need it. Type: "
                    f"{remove_command(key)}, then: {SECRET_KEYS['hubToken'].command}",
                )
            )
        elif argument in seen:
            found.append(error(key, f"is given twice. Type: {remove_command(key)}"))
        seen.add(argument)
    return found
