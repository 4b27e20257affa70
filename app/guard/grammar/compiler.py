"""Asks the helper process what a grammar costs: one at a time, and each grammar once.

Nothing of a grammar is logged or stored: the answers are kept by a hash.
"""

import asyncio
import hashlib
import importlib.util
import json
import logging
import os
import select
import subprocess
import sys
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from app.errors import RefusedError, too_many
from app.guard.grammar import helper
from app.guard.grammar.found import DEFAULT_PARSER, Grammar, Parser

WAITING = 8
"""Grammars that wait for the helper; one takes at most about 3 s of its CPU time."""
KEPT = 2048
"""Answers that are kept, the latest used."""
ANSWER_S = 2 * helper.CLOCK_S
"""After this time the helper itself is ended; its children end after helper.CLOCK_S."""
LIMIT = "grammar_queue"
_log = logging.getLogger("rayline.guard")


class Compiler:
    """The helper of one replica, started when the first grammar arrives and again after a kill.

    Without xgrammar, as in an environment without an engine, every grammar is accepted: then the
    static measure alone decides.
    """

    def __init__(
        self,
        parser: Parser = DEFAULT_PARSER,
        libraries: str | None = None,
        program: str = helper.__file__,
    ) -> None:
        self.parser = parser
        self._libraries = libraries or _installed()
        self._program = program
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="grammar")
        self._process: subprocess.Popen[bytes] | None = None
        self._known: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        self._running: dict[bytes, asyncio.Future[dict[str, Any]]] = {}

    @property
    def available(self) -> bool:
        """Whether grammars are compiled at all."""
        return self._libraries is not None

    @staticmethod
    def key(grammar: Grammar, times: int) -> bytes:
        """The name under which the answer for a grammar is kept."""
        head = f"{grammar.kind} {times} ".encode()
        return hashlib.sha256(head + grammar.text.encode(errors="replace")).digest()

    def known(self, key: bytes) -> dict[str, Any] | None:
        """The answer for a grammar that was compiled before."""
        answer = self._known.get(key)
        if answer is not None:
            self._known.move_to_end(key)
        return answer

    async def answer(self, grammar: Grammar, times: int, key: bytes) -> dict[str, Any]:
        """What the helper measured; `times` is how often vLLM will convert the grammar.

        Raises RefusedError 429 where too many grammars wait already, and where the helper failed or
        had no time: an answer that is not the grammar's own is not kept.
        """
        running = self._running.get(key)
        if running is None:
            if len(self._running) > WAITING:
                raise _busy()
            job = {"kind": grammar.kind, "text": grammar.text, "times": times}
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._thread, self._exchange, job)
            self._running[key] = running
            running.add_done_callback(lambda done: self._keep(key, done))
        # A client that leaves does not end the exchange: another may wait for the same answer.
        answer = await asyncio.shield(running)
        if answer["outcome"] == helper.BUSY:
            raise _busy()
        return answer

    def close(self) -> None:
        """End the helper."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._end()

    def _keep(self, key: bytes, done: "asyncio.Future[dict[str, Any]]") -> None:
        del self._running[key]
        if done.cancelled() or done.exception() is not None:
            return
        if done.result()["outcome"] == helper.BUSY:
            return  # not the grammar's fault
        self._known[key] = done.result()
        if len(self._known) > KEPT:
            self._known.popitem(last=False)

    def _exchange(self, job: dict[str, Any]) -> dict[str, Any]:
        """Runs in the compiler's thread: one question and its answer."""
        try:
            return self._ask(json.dumps(job).encode() + b"\n")
        except (OSError, ValueError) as error:
            # Without the grammar. The helper is started again for the next one.
            _log.error("the helper that compiles grammars failed: %s", type(error).__name__)
            self._end()
            return {"outcome": helper.BUSY}

    def _ask(self, line: bytes) -> dict[str, Any]:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line)
        process.stdin.flush()
        if not select.select([process.stdout], [], [], ANSWER_S)[0]:
            raise TimeoutError
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    def _start(self) -> "subprocess.Popen[bytes]":
        # The environment of the replica holds secrets and the settings of a GPU; libraries print
        # parts of a grammar to standard error.
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LD_LIBRARY_PATH", "LANG")}
        return subprocess.Popen(
            [sys.executable, "-I", self._program, str(self._libraries)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | {"MALLOC_ARENA_MAX": "1"},
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _busy() -> RefusedError:
    text = "Too many grammars wait to be compiled, or the replica is too busy; retry shortly."
    return too_many(LIMIT, 1.0, text)


def _installed() -> str | None:
    """The folder in which xgrammar is installed. It is not imported: that would import torch."""
    spec = importlib.util.find_spec("xgrammar")
    return str(Path(spec.origin).parents[1]) if spec is not None and spec.origin else None
