"""A process of its own that converts and compiles grammars, each in a child with hard limits.

Run as a script with the folder of the libraries as its argument. It reads one JSON object per line,
`{"kind": ..., "text": ..., "times": ...}`, and answers each with one line, `{"outcome": ...,
"conversion_s": ..., "compile_s": ..., "mib": ...}`. It imports only the two libraries to which vLLM
passes grammars, and never torch, so it is ready in 0.3 s and takes 80 MiB.

Every grammar gets a forked child. The kernel ends it at its CPU time (ITIMER_PROF), its time on the
clock (ITIMER_REAL) and its memory (RLIMIT_AS), whatever native code it is in, and all that it
allocated is gone with it. The calls are those of `vllm/v1/structured_output/backend_xgrammar.py`
(`validate_xgrammar_grammar` on the event loop, `compile_grammar` in the engine's threads) and of
`backend_guidance.py`, to which vLLM turns for what xgrammar does not support.
"""

import importlib
import importlib.util
import json
import os
import resource
import signal
import sys
import time
import types
from typing import Any

CONVERSION_S = 0.1
"""CPU time of all conversions of one request, which vLLM runs on the event loop."""
KILL_S = 3 * CONVERSION_S
"""CPU time after which the kernel ends one conversion. The first in a child takes half as long
again as later ones, because it copies the pages that the child shares with the helper, and twice as
long where more processes run than there are cores (measured with xgrammar 0.2.8). vLLM's process
has no such pages, so a second conversion counts wherever the first is not short."""
CONSTRUCTION_S = 1.2
"""CPU time of compiling for a vocabulary of single bytes: the automata themselves."""
VOCABULARY_S = 0.6
"""CPU time that `SAMPLE` tokens may add. A vocabulary of 131,072 tokens adds about 36 times as
much, so this is 20 s of the engine's threads (measured with xgrammar 0.2.8)."""
CLOCK_S = 30.0
"""Time on the clock, for a machine whose cores are all taken."""
MEMORY_MIB = 60
"""Of the 64 MiB that a grammar may take; a forked child also copies pages of the helper."""
SAMPLE = 2048
"""Tokens of the vocabulary that stands for the model's."""

OK, INVALID, COSTLY = "ok", "invalid", "costly"
BUSY = "busy"
"""The time on the clock ended before the CPU time: that says nothing about the grammar."""


def vocabulary(size: int) -> list[bytes]:
    """All bytes, and made-up words and punctuation as long as the tokens of a real vocabulary."""
    tokens = [bytes([value]) for value in range(256)]
    letters = b"etaoinshrdlucmfwypvbgkjqxz"
    marks = b'{}[]":,.-_0123456789 \n'
    state = 1
    while len(tokens) < size:
        word = bytearray()
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        alphabet = marks if state >> 60 == 0 else letters
        for _ in range(2 + (state >> 33) % 7):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            word.append(alphabet[(state >> 33) % len(alphabet)])
        tokens.append((b" " if state >> 63 else b"") + bytes(word))
    return tokens


class Libraries:
    """xgrammar and llguidance, without what their packages import for other purposes."""

    def __init__(self) -> None:
        stand_in: Any = types.ModuleType("transformers")
        stand_in.PreTrainedTokenizerBase = stand_in.PreTrainedTokenizerFast = type("None", (), {})
        sys.modules["transformers"] = stand_in
        sys.modules["torch"] = None  # type: ignore[assignment]  # an import of it fails
        package = types.ModuleType("xgrammar")
        spec = importlib.util.find_spec("xgrammar")
        assert spec is not None
        package.__path__ = list(spec.submodule_search_locations or ())
        sys.modules["xgrammar"] = package
        for module in ("exception", "load_binding", "structural_tag"):
            importlib.import_module(f"xgrammar.{module}")
        self.grammar: Any = importlib.import_module("xgrammar.grammar").Grammar
        self.item: Any = importlib.import_module("xgrammar.structural_tag").StructuralTagItem
        self._compiler: Any = importlib.import_module("xgrammar.compiler").GrammarCompiler
        self._info: Any = importlib.import_module("xgrammar.tokenizer_info")
        self.bytes_only, self.sample = (self._tokenizer(size) for size in (256, SAMPLE))
        try:
            library: Any = importlib.import_module("llguidance")
            self.guidance, self.guidance_grammar = library.LLMatcher, library.grammar_from
        except ImportError:
            self.guidance = self.guidance_grammar = None

    def _tokenizer(self, size: int) -> Any:
        kind = self._info.VocabType.RAW
        return self._info.TokenizerInfo(vocabulary(size), kind, vocab_size=size, stop_token_ids=[0])

    def convert(self, kind: str, text: str) -> None:
        """The call of vLLM's validation, on the event loop."""
        if kind == "tag":
            tags, triggers = self._legacy(text)
            if tags is None:
                self.grammar.from_structural_tag(text)
            else:
                self.grammar.from_structural_tag(tags, triggers)
        else:
            getattr(self.grammar, f"from_{_CALLS[kind][0]}")(text)

    def compile(self, kind: str, text: str, tokenizer: Any) -> None:
        """The call of the engine. One thread: the limits are of one process's CPU time."""
        compiler = self._compiler(tokenizer, max_threads=1, cache_enabled=False)
        if kind == "tag":
            tags, triggers = self._legacy(text)
            if tags is None:
                compiler.compile_structural_tag(text)
            else:
                compiler.compile_structural_tag(tags, triggers)
        else:
            getattr(compiler, f"compile_{_CALLS[kind][1]}")(text)

    def _legacy(self, text: str) -> tuple[list[Any] | None, list[str]]:
        tag = json.loads(text)
        if "structures" not in tag:
            return None, []
        structures = tag["structures"]
        items = [
            self.item(begin=s["begin"], schema=json.dumps(s["schema"]), end=s["end"])
            for s in structures
        ]
        return items, tag["triggers"]

    def guide(self, kind: str, text: str) -> bool:
        """Whether llguidance accepts the grammar: vLLM's choice where xgrammar does not."""
        if self.guidance is None or kind == "tag":
            return False
        try:
            if kind == "json":
                defaults = {"whitespace_flexible": True}
                made = self.guidance.grammar_from_json_schema(text, defaults=defaults)
            else:
                made = self.guidance_grammar("regex" if kind == "regex" else "grammar", text)
            return not self.guidance.validate_grammar(made, None)
        except (ValueError, TypeError, KeyError):
            return False


_UNSUPPORTED = frozenset(
    {
        "allOf", "contains", "maxContains", "minContains", "multipleOf", "patternProperties",
        "propertyNames", "uniqueItems",
    }
)  # fmt: skip
_FORMATS = frozenset(
    {
        "date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "json-pointer",
        "relative-json-pointer", "time", "uri", "uri-reference", "uri-template", "uuid",
    }
)  # fmt: skip


def leads_to_guidance(schema: Any) -> bool:
    """Whether vLLM may compile the schema with llguidance, although xgrammar converts it.

    A superset of what `has_xgrammar_unsupported_json_features` finds.
    """
    if isinstance(schema, dict):
        if not _UNSUPPORTED.isdisjoint(schema):
            return True
        form = schema.get("format")
        if form is not None and not (isinstance(form, str) and form in _FORMATS):
            return True
        if ("minLength" in schema or "maxLength" in schema) and (
            "format" in schema or "pattern" in schema
        ):
            return True
        return any(map(leads_to_guidance, schema.values()))
    return isinstance(schema, list) and any(map(leads_to_guidance, schema))


_CALLS = {
    "json": ("json_schema", "json_schema"),
    "regex": ("regex", "regex"),
    "ebnf": ("ebnf", "grammar"),
    "lark": ("lark", "lark"),
}


def main() -> None:
    """Answer one line per job until the guard closes the pipe."""
    os.nice(5)  # the engine goes first
    sys.path.insert(0, sys.argv[1])
    libraries = Libraries()
    for line in sys.stdin.buffer:
        answer = judged(libraries, json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def judged(libraries: Libraries, job: dict[str, Any]) -> dict[str, Any]:
    """What one grammar costs. A child that the kernel ended is an answer: it costs too much."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(libraries, job, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        lines = pipe.read().splitlines()
    _, status, used = os.wait4(child, 0)
    late = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
    outcome = BUSY if late else COSTLY
    answer: dict[str, Any] = {"outcome": outcome, "conversion_s": 0.0, "compile_s": 0.0, "mib": 0.0}
    for line in lines:
        answer.update(json.loads(line))
    answer["cpu_s"] = round(used.ru_utime + used.ru_stime, 4)
    return answer


def _work(libraries: Libraries, job: dict[str, Any], writing: int) -> None:
    """Runs in the child, which ends here."""
    try:
        pages = [int(word) for word in _read("/proc/self/statm").split()[:2]]
        limit = pages[0] * resource.getpagesize() + MEMORY_MIB * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.setitimer(signal.ITIMER_REAL, CLOCK_S)
        before = pages[1] * resource.getpagesize() / 2**20
        outcome = _measure(libraries, job["kind"], job["text"], job["times"], writing)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        report = {"outcome": outcome, "mib": round(max(0.0, peak - before), 1)}
        os.write(writing, json.dumps(report).encode() + b"\n")
    except BaseException:  # the child must not return into the parent's loop
        os._exit(1)
    os._exit(0)


def _measure(libraries: Libraries, kind: str, text: str, times: int, writing: int) -> str:
    signal.setitimer(signal.ITIMER_PROF, KILL_S)
    try:
        taken = _timed(libraries.convert, kind, text)
        if taken * times > CONVERSION_S / 2:
            signal.setitimer(signal.ITIMER_PROF, KILL_S)
            taken = min(taken, _timed(libraries.convert, kind, text))
        if kind == "json" and leads_to_guidance(json.loads(text)):
            signal.setitimer(signal.ITIMER_PROF, KILL_S)
            taken += _timed(libraries.guide, kind, text)
        os.write(writing, json.dumps({"conversion_s": round(taken, 4)}).encode() + b"\n")
        if taken * times > CONVERSION_S:
            return COSTLY
        signal.setitimer(signal.ITIMER_PROF, CONSTRUCTION_S + VOCABULARY_S)
        taken = _timed(libraries.compile, kind, text, libraries.sample)
        if taken > VOCABULARY_S:
            signal.setitimer(signal.ITIMER_PROF, CONSTRUCTION_S)
            construction = _timed(libraries.compile, kind, text, libraries.bytes_only)
            if taken - construction > VOCABULARY_S:
                return COSTLY
        os.write(writing, json.dumps({"compile_s": round(taken, 4)}).encode() + b"\n")
    except MemoryError:
        return COSTLY
    except Exception as error:
        if "bad_alloc" in str(error):
            return COSTLY
        # vLLM then tries llguidance; the time of the conversion goes on.
        return OK if libraries.guide(kind, text) else INVALID
    return OK


def _timed(call: Any, *arguments: Any) -> float:
    began = time.process_time()
    call(*arguments)
    return time.process_time() - began


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


if __name__ == "__main__":
    main()
