"""The engine's environment: the arguments that it becomes, and the messages for mistakes."""

import json

import pytest

from app.engine.media import NONE
from app.engine.settings import (
    RESERVED_REQUESTS,
    Device,
    EngineSettings,
    from_environment,
)
from app.errors import ConfigurationError

# The original hand-made deployment (docs/origin.md): each variable, the argument of vLLM that it
# becomes, and that argument's value.
ORIGINAL: dict[str, tuple[str, str, object]] = {
    "MODEL_ID": ("Valdemardi/Dolphin3.0-R1-Mistral-24B-AWQ", "model", None),
    "MODEL_NAME": ("Dolphin3.0", "served_model_name", None),
    "TENSOR_PARALLELISM": ("1", "tensor_parallel_size", 1),
    "PIPELINE_PARALLELISM": ("2", "pipeline_parallel_size", 2),
    "DTYPE": ("float16", "dtype", None),
    "GPU_MEMORY_UTIL": ("0.97", "gpu_memory_utilization", 0.97),
    "MAX_MODEL_LEN": ("32768", "max_model_len", None),
    "MAX_NUM_SEQS": ("128", "max_num_seqs", 128),
    "CPU_OFFLOAD_GB": ("12.0", "cpu_offload_gb", 12.0),
    "ENABLE_CHUNKED_PREFILL": ("True", "enable_chunked_prefill", True),
    "ENABLE_ENFORCE_EAGER": ("True", "enforce_eager", True),
}
ORIGINAL_ENVIRONMENT = {name: text for name, (text, _, _) in ORIGINAL.items()}


def settings(device: Device = "cuda", **environ: str) -> EngineSettings:
    return from_environment({"MODEL_ID": "m", **environ}, device)


def test_each_variable_becomes_an_argument_of_vllm() -> None:
    read = from_environment({**ORIGINAL_ENVIRONMENT, "HF_HOME": "/data/model-cache"}, "cuda")
    expected = {
        argument: text if value is None else value for text, argument, value in ORIGINAL.values()
    }
    ours = {"distributed_executor_backend": "ray", "allowed_media_domains": [NONE]}
    assert read.arguments == {**expected, **ours}
    assert read.max_requests == 256
    assert read.max_ongoing_requests == 256 + RESERVED_REQUESTS


def test_vllm_chooses_what_is_absent_except_the_batch_size() -> None:
    assert settings(MODEL_NAME="", DTYPE="").arguments == {
        "model": "m",
        "served_model_name": "m",
        "max_num_seqs": 256,
        "allowed_media_domains": [NONE],
    }


def test_engine_args_may_contain_any_argument_in_either_spelling() -> None:
    given = {"--quantization": "awq_marlin", "max-num-seqs": 16, "swap_space": 2}
    read = settings(ENGINE_ARGS=json.dumps(given))
    assert read.arguments["quantization"] == "awq_marlin"
    assert read.arguments["max_num_seqs"] == 16
    assert read.max_requests == 32


def test_the_allowed_duration_of_a_hang() -> None:
    assert settings().stall_seconds == 300
    assert settings(ENGINE_STALL_SECONDS="0").stall_seconds == 0


@pytest.mark.parametrize(
    ("device", "tensor", "pipeline", "backend"),
    [
        ("cuda", "1", "1", None),
        ("cuda", "2", "1", "mp"),
        ("cuda", "1", "2", "ray"),
        ("cpu", "2", "1", "mp"),
        ("cpu", "1", "2", "mp"),  # vLLM: "current platform cpu does not support ray"
    ],
)
def test_ray_runs_the_workers_only_if_they_are_on_several_nodes(
    device: Device, tensor: str, pipeline: str, backend: str | None
) -> None:
    read = settings(device, TENSOR_PARALLELISM=tensor, PIPELINE_PARALLELISM=pipeline)
    assert read.arguments.get("distributed_executor_backend") == backend


def test_priorities_of_the_guard_set_the_scheduling_policy_of_the_engine() -> None:
    assert settings(GUARD_PRIORITY="true").arguments["scheduling_policy"] == "priority"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"MODEL_ID": ""}, "MODEL_ID is not set"),
        ({"TENSOR_PARALLELISM": "0"}, "TENSOR_PARALLELISM is '0'; allowed: a whole number"),
        ({"GPU_MEMORY_UTIL": "97"}, "GPU_MEMORY_UTIL is '97'; allowed: a number above 0"),
        ({"ENABLE_ENFORCE_EAGER": "yes"}, "ENABLE_ENFORCE_EAGER is 'yes'; allowed: true or"),
        ({"CPU_OFFLOAD_GB": "nan"}, "CPU_OFFLOAD_GB is 'nan'"),
        ({"MAX_MODEL_LEN": "long"}, "MAX_MODEL_LEN is 'long'"),
        ({"DRAIN_SECONDS": "-1"}, "DRAIN_SECONDS is '-1'"),
        ({"ENGINE_STALL_SECONDS": "long"}, "ENGINE_STALL_SECONDS is 'long'"),
        ({"ENGINE_ARGS": "{"}, "ENGINE_ARGS is not JSON"),
        ({"ENGINE_ARGS": "[]"}, "ENGINE_ARGS is a list; allowed: a JSON object"),
        (
            {"ENGINE_ARGS": '{"api-key": "x"}'},
            "may not contain api-key: users come from auth-config",
        ),
        ({"ENGINE_ARGS": '{"ssl_keyfile": "x"}'}, "may not contain ssl_keyfile: TLS ends"),
        ({"ENGINE_ARGS": '{"a-b": 1, "a_b": 2}'}, "contains a_b twice"),
        ({"ENGINE_ARGS": '{"max_num_seqs": "8"}'}, "max_num_seqs is '8'; allowed: a whole"),
        (
            {"DTYPE": "half", "ENGINE_ARGS": '{"dtype": "auto"}'},
            "dtype is set twice, by DTYPE and in ENGINE_ARGS",
        ),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        from_environment({"MODEL_ID": "m", **environ}, "cuda")
    assert words in str(raised.value)
