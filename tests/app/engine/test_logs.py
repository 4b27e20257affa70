"""A logging configuration such as vLLM's ends no log that it does not name.

Each case runs in a process of its own, because logging is configured once per process.
"""

import json
import logging
import logging.config
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.engine.logs import REAL_STDOUT, STREAM, hide_texts, keep_logs

# As Serve's configure_component_logger and app.main.log_to_stderr leave a replica, and then as vLLM
# configures logging: on import, and for the engine.
PROGRAM = """
import json, logging, logging.config, logging.handlers, os, sys
from app.engine.logs import keep_logs

file = logging.handlers.RotatingFileHandler(sys.argv[1])
memory = logging.handlers.MemoryHandler(capacity=3, target=file)
serve = logging.getLogger("ray.serve")
serve.setLevel(logging.INFO)
serve.addHandler(memory)
serve.propagate = False
ours = logging.getLogger("rayline.engine")
logging.getLogger("rayline").addHandler(logging.StreamHandler(sys.stderr))
if sys.argv[3] == "kept":
    keep_logs(os.environ)
for _ in range(2):
    logging.config.dictConfig(json.loads(sys.argv[2]))
    serve.info("a"), serve.info("b"), serve.info("c")
print(len(memory.buffer), memory.target is file, file.stream is not None)
print(len(logging.getLogger("vllm").handlers), len(logging.getLogger("vllm.x").handlers))
ours.warning("ours"), serve.info("last")
logging.getLogger("vllm.x").warning("theirs")
"""
VLLM = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"vllm": {"class": "logging.StreamHandler", "stream": REAL_STDOUT}},
    "loggers": {"vllm": {"handlers": ["vllm"], "level": "INFO", "propagate": False}},
}
USERS = {name: value for name, value in VLLM.items() if name != "disable_existing_loggers"}
ROOT = {**USERS, "root": {"handlers": ["vllm"], "level": "INFO"}}


def run(folder: Path, config: dict[str, Any], kind: str = "kept") -> tuple[str, str, str]:
    """Serve's log, and the process's standard output and error."""
    log = folder / "replica.log"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(log), json.dumps(config), kind],
        capture_output=True, text=True, check=True, env=os.environ, timeout=60,
    )  # fmt: skip
    return log.read_text(), done.stdout, done.stderr


@pytest.mark.parametrize("config", [VLLM, USERS, ROOT], ids=["vllm", "users", "root"])
def test_other_logs_go_on_after_each_configuration(tmp_path: Path, config: dict[str, Any]) -> None:
    log, out, errors = run(tmp_path, config)
    assert out.splitlines()[0] == "0 True True"
    # The last record was still in memory: it is written when the process ends.
    assert log.split() == [*"abcabc", "last"]
    assert "ours" in errors.splitlines()


def test_the_configured_loggers_are_replaced_once(tmp_path: Path) -> None:
    _, out, _ = run(tmp_path, VLLM)
    assert out.splitlines()[1:] == ["1 0", "theirs"]


def test_without_it_the_log_ends(tmp_path: Path) -> None:
    """What Python does, or this module could be removed."""
    log, out, _ = run(tmp_path, VLLM, "plain")
    assert out.splitlines()[0] == "6 False False"
    assert log.split() == []


def test_a_stream_of_the_operator_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.config, "dictConfigClass", logging.config.DictConfigurator)
    given = {STREAM: "ext://sys.stderr"}
    keep_logs(given)
    assert given == {STREAM: "ext://sys.stderr"}


@pytest.fixture
def hidden() -> Iterator[None]:
    factory = logging.getLogRecordFactory()
    hide_texts()
    yield
    logging.setLogRecordFactory(factory)


@pytest.mark.parametrize("name", ["vllm.entrypoints.openai.engine.serving", "vllm.renderers.hf"])
def test_no_line_of_vllm_quotes_a_request(
    name: str, hidden: None, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger(name)
    logger.error("Error with model %s", "canary")
    logger.warning("canary", stack_info=True)
    logger.error("%(what)s", {"what": "canary"})
    try:
        raise ValueError("canary")
    except ValueError:
        logger.exception("Error in %r", "canary")
    assert "canary" not in caplog.text
    assert caplog.text.count("may quote a request") == 4
    assert "about ValueError" in caplog.text
    assert "test_logs.py" in caplog.text
    assert not any("canary" in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("name", ["vllm.v1.metrics.loggers", "rayline.access", "ray.serve"])
def test_other_lines_stay(name: str, hidden: None, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger(name).error("Running: %d reqs", 3)
    assert "Running: 3 reqs" in caplog.text
