"""One model split in two: by the width of its layers (tensor) and by depth (pipeline)."""

import httpx
import pytest

from bench.serving.service import Service
from tests.app_live.calls import completion

pytestmark = [pytest.mark.live]


def answer(service: Service) -> str:
    body = completion(max_tokens=24, temperature=0, prompt="user: What is a limit good for?\n")
    got = httpx.post(
        f"{service.url}/v1/completions", json=body, headers=service.headers(), timeout=60
    )
    assert got.status_code == 200, got.text
    assert got.json()["usage"]["completion_tokens"] == 24
    return str(got.json()["choices"][0]["text"])


def test_tensor_parallel_two(redeployable: Service) -> None:
    redeployable.deploy(TENSOR_PARALLELISM="2")
    assert {"VLLM::Worker_TP0", "VLLM::Worker_TP1"} <= set(redeployable.engine_processes())
    assert answer(redeployable)


def test_pipeline_parallel_two(redeployable: Service) -> None:
    # Compiled, because with enforce-eager on the CPU vLLM 0.32 loses the tensors between the
    # stages.
    redeployable.deploy(PIPELINE_PARALLELISM="2", ENABLE_ENFORCE_EAGER="False")
    assert {"VLLM::Worker_PP0", "VLLM::Worker_PP1"} <= set(redeployable.engine_processes())
    assert answer(redeployable)
