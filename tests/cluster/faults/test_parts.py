"""Each part is killed under a client that asks every 0.1 s and holds ten streams.

Nobody types anything. RAYLINE_RUNS=10 kills each part ten times.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import pytest

from bench.faults import state
from bench.faults.client import Client, Target
from bench.faults.seen import Seen, quiet
from bench.faults.state import State
from sandbox.cluster.kubectl import Kubectl
from sandbox.node import health
from sandbox.settings import Settings
from tests.cluster.faults.rows import FAULTS, Fault, pod
from tests.cluster.main_job.deployed import Deployed
from tests.cluster.main_job.test_up import in_time
from tests.guarantees.fixtures import Measured
from toolchain.errors import CommandError

STREAMS = 5
"""At each address."""
BEFORE_SECONDS = 4.0
AT_LEAST_SECONDS = 15.0
"""After the fault: some consequences come late, as when a recovered controller looks around."""
QUIET_SECONDS = 8.0
LONGEST_SECONDS = 300.0
RUNS = int(os.environ.get("RAYLINE_RUNS") or "1")


@contextmanager
def asking(target: Target, worker: str) -> Iterator[dict[str, Client]]:
    """Clients at the API's Service, and at the worker's own proxy unless `worker` is empty."""
    clients = {"service": Client(target, STREAMS)}
    if worker:
        clients["worker"] = Client(replace(target, base=worker), STREAMS)
    with ExitStack() as working:
        for client in clients.values():
            working.enter_context(client.working())
        yield clients


def wait_whole(kubectl: Kubectl, before: State, clients: dict[str, Client], since: float) -> State:
    """Wait until everything is there again and no address has failed for a while."""
    while True:
        now = time.monotonic()
        calm = all(quiet(each.seen.events, now, QUIET_SECONDS) for each in clients.values())
        try:
            found = state.look(kubectl)
        except CommandError:
            found = None
        if found and found.is_whole(before) and calm and now - since > AT_LEAST_SECONDS:
            return found
        seen = {name: each.seen.classes() for name, each in clients.items()}
        assert now - since < LONGEST_SECONDS, f"not whole: {found}; {seen}"
        time.sleep(0.5)


@dataclass(frozen=True)
class Outcome:
    """One fault: what the client of each address saw, when it was, and which parts are new."""

    seen: dict[str, Seen]
    killed: float
    new: list[str]

    def seconds(self, address: str) -> float:
        return self.seen[address].seconds(self.killed)


def inject(fault: Fault, target: Target, kubectl: Kubectl) -> Outcome:
    before = state.look(kubectl)
    assert before.ready
    with asking(target, "" if fault.moves else state.worker_address(kubectl)) as clients:
        time.sleep(BEFORE_SECONDS)
        for name, client in clients.items():
            assert client.seen.failures == [], f"{name}, before the fault"
        killed = time.monotonic()
        fault.inject(kubectl)
        after = wait_whole(kubectl, before, clients, killed)
    seen = {name: client.seen for name, client in clients.items()}
    return Outcome(seen, killed, after.changed(before))


@pytest.mark.timeout(600 * RUNS)
@pytest.mark.parametrize(
    "fault",
    [pytest.param(one, id=one.name, marks=[pytest.mark.long] * one.long) for one in FAULTS],
)
def test_a_part_is_killed_and_comes_back(
    fault: Fault,
    deployed: Deployed,
    target: Target,
    kubectl: Kubectl,
    restarts: dict[str, int],
    measured: Measured,
) -> None:
    outcomes = []
    for _ in range(RUNS):
        outcomes.append(inject(fault, target, kubectl))
        print(f"{fault.name}: {told(outcomes[-1])}")
        if fault.renewed and len(outcomes) < RUNS:
            before = state.look(kubectl)
            pod(fault.renewed)(kubectl)
            wait_whole(kubectl, before, {}, time.monotonic())
    now = health.rows(Settings())
    restarts |= {row.name: row.restarts for row in now if row.name in fault.changes}
    record(fault, outcomes, measured)
    for outcome in outcomes:
        for name, seen in outcome.seen.items():
            assert len(seen.requests) > 100
            assert len(seen.streams) >= STREAMS
            if name in fault.spared:
                assert seen.failures == [], f"{name}: {seen.classes()}"
            else:
                assert in_time(outcome.seconds(name), fault.seconds), f"{name}: {seen.classes()}"
        assert set(outcome.new) <= fault.changes


def told(outcome: Outcome) -> str:
    """An outcome in one line."""
    addresses = (
        f"{name} {seen.failed} of {len(seen.requests)} requests, {seen.cut} of "
        f"{len(seen.streams)} streams, {outcome.seconds(name):.1f} s"
        for name, seen in outcome.seen.items()
    )
    return f"{'; '.join(addresses)}; new: {', '.join(outcome.new) or 'nothing'}"


def record(fault: Fault, outcomes: list[Outcome], measured: Measured) -> None:
    """All runs together at the API's Service; the other address and what is new are a note."""
    name, most = f"fault.{fault.name}", 0 if "service" in fault.spared else None
    service = together(outcomes, "service")
    new = Counter(part for outcome in outcomes for part in outcome.new)
    times = (f"{part} {count} x" if len(outcomes) > 1 else part for part, count in new.items())
    note = [f"in {len(outcomes)} runs"] * (len(outcomes) > 1)
    note.append(f"new: {', '.join(times) or 'nothing'}")
    if not fault.moves:
        other = together(outcomes, "worker")
        note.append(
            f"at the worker's proxy {other.failed} of {len(other.requests)} requests failed, "
            f"{other.cut} of {len(other.streams)} streams were cut, the last failure after "
            f"{longest(outcomes, 'worker'):.1f} s"
        )
    measured(f"{name}.failed", service.failed, "requests", of=len(service.requests), at_most=most,
             note=service.classes())  # fmt: skip
    measured(f"{name}.cut", service.cut, "streams", of=len(service.streams), at_most=most)
    measured(f"{name}.seconds", longest(outcomes, "service"), "s",
             at_most=0 if most == 0 else fault.seconds, note="; ".join(note))  # fmt: skip


def together(outcomes: list[Outcome], address: str) -> Seen:
    return Seen([event for outcome in outcomes for event in outcome.seen[address].events])


def longest(outcomes: list[Outcome], address: str) -> float:
    return max(outcome.seconds(address) for outcome in outcomes)
