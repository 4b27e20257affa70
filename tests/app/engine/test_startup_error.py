"""The reason why an engine failed to start, from the output of its processes."""

import subprocess
import sys
from pathlib import Path

from app.engine.startup_error import MAX_LENGTH

LOG = """\
(Worker pid=9) INFO 11-25 04:34:40 [cpu_worker.py:260] ValueError: is not an error here
\x1b[0;36m(Core)\x1b[0;0m ERROR 11-25 04:34:49 [core.py:1] Traceback (most recent call last):
(EngineCore pid=7) ERROR 11-25 04:34:49 [core.py:1510]     raise ValueError(
(EngineCore pid=7) ERROR 11-25 04:34:49 [core.py:1510] ValueError: No memory for the cache.
(EngineCore pid=7) ERROR 11-25 04:34:52 [core.py:1510] torch.OutOfMemoryError: later
"""
PROGRAM = """
import os, sys
from app.engine.startup_error import Output
print("ERROR 1 2 [x.py:1] KeyError: of an earlier start", flush=True)
output = Output()
os.write(1, sys.stdin.buffer.read())
sys.stderr.write("CAUSE=" + output.first_error())
"""


def cause(log: str, folder: Path, *, to_file: bool = True) -> str:
    with (folder / "out").open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=log.encode(),
            stdout=out if to_file else subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=True,
        )
    return done.stderr.decode().removeprefix("CAUSE=")


def test_the_first_error_since_the_start_is_returned(tmp_path: Path) -> None:
    assert cause(LOG, tmp_path) == "ValueError: No memory for the cache."


def test_an_endless_error_is_truncated(tmp_path: Path) -> None:
    assert len(cause(f"ERROR 1 2 [x.py:1] ValueError: {'x' * 9999}\n", tmp_path)) == MAX_LENGTH


def test_a_log_without_errors_and_a_pipe_return_nothing(tmp_path: Path) -> None:
    assert cause("INFO all is well\n", tmp_path) == ""
    assert cause(LOG, tmp_path, to_file=False) == ""
