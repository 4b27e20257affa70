"""The arguments of the contenders and of the command line."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.access import roles
from app.engine.settings import from_environment
from bench import contenders
from bench.app import EACH, arguments, requests_each
from bench.processes import cpu_seconds, server

SETTINGS = {"MODEL_ID": "a/model", "MODEL_NAME": "tiny", "DTYPE": "bfloat16", "MAX_NUM_SEQS": "32"}


def test_bare_vllm_gets_the_engine_arguments_of_the_service() -> None:
    environment = {**SETTINGS, "ENABLE_ENFORCE_EAGER": "True", "ENGINE_ARGS": '{"seed": 7}'}
    assert contenders.flags(from_environment(environment, "cpu").arguments) == [
        "--model=a/model",
        "--served-model-name=tiny",
        "--dtype=bfloat16",
        "--max-num-seqs=32",
        "--enforce-eager",
        "--seed=7",
        '--allowed-media-domains=["none.invalid"]',
    ]


def test_a_disabled_switch_has_its_negative_option() -> None:
    assert contenders.flags({"enable_chunked_prefill": False, "a": {"b": 1}}) == [
        "--no-enable-chunked-prefill", '--a={"b": 1}',
    ]  # fmt: skip


def test_ray_serve_llm_gets_the_engine_arguments_of_the_service() -> None:
    given = from_environment(SETTINGS, "cpu").arguments
    (config,) = contenders.ray_llm_application(given)["args"]["llm_configs"]
    assert config["model_loading_config"] == {"model_id": "tiny", "model_source": "a/model"}
    assert config["engine_kwargs"] == {
        "dtype": "bfloat16",
        "max_num_seqs": 32,
        "allowed_media_domains": ["none.invalid"],
    }


def test_litellm_calls_the_bare_server_and_requires_a_key() -> None:
    written = json.loads(contenders.litellm_configuration("http://127.0.0.1:1"))
    (model,) = written["model_list"]
    assert model["litellm_params"]["api_base"] == "http://127.0.0.1:1/v1"
    assert written["general_settings"]["master_key"]


def test_the_service_accepts_the_role_of_the_client() -> None:
    assert "bench" in roles.parse(json.dumps({"bench": contenders.ROLE}))


def test_arguments_have_defaults_and_must_be_positive() -> None:
    assert arguments(["--peers", "folder"]).streams == [1, 8, 32]
    assert arguments(["--peers", "folder", "--streams", "2", "--turns", "1"]).streams == [2]
    with pytest.raises(SystemExit):
        arguments(["--peers", "folder", "--turns", "0"])


def test_every_turn_has_enough_requests() -> None:
    assert [requests_each(n) for n in EACH] == list(EACH.values())
    assert requests_each(2) == 32
    assert requests_each(1000) == 4


def test_a_server_that_exits_at_once_raises_an_error_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no port'); raise SystemExit(3)"]
    with (
        pytest.raises(RuntimeError, match="no port"),
        server(command, {}, "http://127.0.0.1:1/", tmp_path / "log", 30),
    ):
        pass


def test_cpu_time_of_child_processes_is_counted() -> None:
    """A busy child is counted; the machine's other work is not."""
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        before = cpu_seconds()[0]
        while cpu_seconds()[0] - before < 0.3:
            assert child.poll() is None
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
