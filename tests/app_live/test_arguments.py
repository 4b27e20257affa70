"""Checks the environment against vLLM's own list of arguments, without an engine."""

import json
import os
from collections.abc import Iterator

import pytest

from tests.app.engine.test_settings import ORIGINAL_ENVIRONMENT
from tests.app_live.program import Program, program

pytestmark = [pytest.mark.live]


@pytest.fixture(scope="module")
def vllm() -> Iterator[Program]:
    with program("tests.app_live.arguments", os.environ) as started:
        yield started


def test_vllm_accepts_the_original_environment(vllm: Program) -> None:
    arguments = vllm.ask(ORIGINAL_ENVIRONMENT)["arguments"]
    assert arguments == {
        "model": "Valdemardi/Dolphin3.0-R1-Mistral-24B-AWQ",
        "served_model_name": ["Dolphin3.0"],
        "tensor_parallel_size": 1,
        "pipeline_parallel_size": 2,
        "dtype": "float16",
        "gpu_memory_utilization": 0.97,
        "max_model_len": 32768,
        "max_num_seqs": 128,
        "cpu_offload_gb": 12.0,
        "enable_chunked_prefill": True,
        "enforce_eager": True,
        "distributed_executor_backend": "ray",
    }


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"quantization": "awq_marlin"}, "quantization", "awq_marlin"),
        ({"--max-num-batched-tokens": 4096}, "max_num_batched_tokens", 4096),
        ({"enable_prefix_caching": False}, "enable_prefix_caching", False),
        ({"enable-auto-tool-choice": True, "tool_call_parser": "hermes"}, "enable_auto_tool_choice",
         True),
        ({"seed": 7}, "seed", 7),
        ({"hf_overrides": {"max_position_embeddings": 4096}}, "hf_overrides",
         {"max_position_embeddings": 4096}),
    ],
)  # fmt: skip
def test_any_argument_of_vllm_is_accepted(
    vllm: Program, given: dict[str, object], name: str, value: object
) -> None:
    answer = vllm.ask({"MODEL_ID": "m", "ENGINE_ARGS": json.dumps(given)})
    assert answer["arguments"][name] == value


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_num_sequences": 4},
         ["ENGINE_ARGS contains max_num_sequences, which is not an engine", "max_num_seqs"]),
        ({"no-such-thing-at-all": 1}, ["ENGINE_ARGS contains no_such_thing_at_all"]),
        ({"dtype": "float17"}, ["vLLM rejects an engine argument", "--dtype", "float17"]),
        ({"max_num_batched_tokens": "many"}, ["--max-num-batched-tokens", "many"]),
        ({"enable-auto-tool-choice": True}, ["vLLM rejects the engine's arguments", "--tool-call"]),
    ],
)  # fmt: skip
def test_an_unknown_argument_is_refused_by_name(
    vllm: Program, given: dict[str, object], words: list[str]
) -> None:
    refused = vllm.ask({"MODEL_ID": "m", "ENGINE_ARGS": json.dumps(given)})["refused"]
    for word in words:
        assert word in refused
