"""Checks the environment against vLLM's own list of arguments, without an engine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.serving.cluster import ROOT
from infra.settings.references import ARGUMENTS
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
        "allowed_media_domains": ["none.invalid"],
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


# Arguments with a text or an object that names no repository of the hub. One that does belongs into
# infra.settings.references.ARGUMENTS, or its model is offline without it.
NO_REPOSITORY = """
    additional_config allowed_headers allowed_local_media_path allowed_media_domains
    allowed_methods allowed_origins api_key attention_backend attention_config aux_output_config
    chat_template code_revision cohere_format compilation_config config config_format
    cpu_distributed_timeout_seconds cpu_offload_params custom_histogram_buckets
    data_parallel_address data_parallel_backend default_chat_template_kwargs device_ids
    diffusion_config disable_access_log_for_endpoints distributed_executor_backend
    distributed_timeout_seconds download_dir ec_manager_config ec_transfer_config engram_config
    eplb_config fault_tolerance_config fingerprint_value grpc_port hf_token host ignore_patterns
    io_processor_plugin ir_op_priority kernel_config kv_cache_dtype_skip_layers
    kv_cache_memory_bytes kv_events_config kv_offloading_size kv_transfer_config
    limit_mm_per_prompt load_format log_config_file logging_config logits_processors
    lora_target_modules mamba_backend mamba_block_size master_addr max_cpu_loras max_log_len
    max_lora_cls_labels max_num_active_seqs max_num_queued_reqs max_num_queued_tokens
    max_num_scheduled_tokens max_parallel_loading_workers media_io_kwargs middleware
    mm_encoder_attn_backend mm_encoder_fp8_scale_path mm_encoder_fp8_scale_save_path
    mm_processor_kwargs model model_class_overrides model_impl model_loader_extra_config
    num_gpu_blocks_override numa_bind_cpus numa_bind_nodes offload_params optimization_level
    otlp_traces_endpoint override_generation_config pooler_config prefix_cache_retention_interval
    prefix_match_unit profiler_config pt_load_map_location quantization quantization_config
    reasoning_config reasoning_parser reasoning_parser_plugin response_role revision root_path
    scheduler_cls served_model_name show_hidden_metrics_for_version sleep_preserve_parameter_names
    ssl_ca_certs ssl_certfile ssl_ciphers ssl_keyfile structured_outputs_config tokenizer_mode
    tokenizer_revision tool_call_parser tool_parser_plugin tool_server uds video_pruning_rate
    watermark_config weight_transfer_config worker_cls worker_extension_cls
"""


def test_every_argument_that_may_name_a_repository_is_known() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.app_live.repositories"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    known = {*NO_REPOSITORY.split()} | {path[0] for path in ARGUMENTS}
    assert set(json.loads(done.stdout)) - known == set()
