"""Runs a Python program that answers one JSON line with another, so tests need not import its
modules.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from bench.serving.cluster import ROOT

SECONDS = 90.0


class Program:
    """A program that has started and waits for questions."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._process = process
        self._errors = errors

    def line(self) -> Any:
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        if not text:
            self._errors.seek(0)
            errors = self._errors.read()[-4000:]
            raise AssertionError(f"{self._process.args!r} ended without an answer:\n{errors}")
        return json.loads(text)

    def ask(self, question: object) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self.line()


@contextmanager
def program(module: str, environ: Mapping[str, str], *arguments: str) -> Iterator[Program]:
    """Run `python -m module`, which prints "ready" first and ends with its standard input."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests, which then close its input
        ) as process,
    ):
        started = Program(process, errors)
        try:
            assert started.line() == "ready"
            yield started
        finally:
            try:
                process.communicate(timeout=SECONDS)  # closes its standard input first
            except subprocess.TimeoutExpired:
                process.kill()
                raise
