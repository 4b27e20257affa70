"""Each part is killed under a client that asks every 0.1 s and holds ten streams.

Nobody types anything. What the head's loss costs is in tests/cluster/main_job/test_head.py.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from bench.faults import state
from bench.faults.client import Client, Target
from bench.faults.seen import quiet
from bench.faults.state import State
from sandbox.cluster.kubectl import Kubectl
from tests.cluster.faults.rows import FAULTS, Fault
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


@pytest.mark.parametrize(
    "fault",
    [pytest.param(one, id=one.name, marks=[pytest.mark.long] * one.long) for one in FAULTS],
)
def test_a_part_is_killed_and_comes_back(
    fault: Fault, deployed: Deployed, target: Target, kubectl: Kubectl, measured: Measured
) -> None:
    before = state.look(kubectl)
    assert before.ready
    with asking(target, "" if fault.moves else state.worker_address(kubectl)) as clients:
        time.sleep(BEFORE_SECONDS)
        for name, client in clients.items():
            assert client.seen.failures == [], f"{name}, before the fault"
        killed = time.monotonic()
        fault.inject(kubectl)
        after = wait_whole(kubectl, before, clients, killed)
    record(fault, clients, killed, after.changed(before), measured)
    for name, client in clients.items():
        seen = client.seen
        assert len(seen.requests) > 100
        assert len(seen.streams) >= STREAMS
        if name in fault.spared:
            assert seen.failures == [], f"{name}: {seen.classes()}"
        else:
            assert in_time(seen.seconds(killed), fault.seconds), f"{name}: {seen.classes()}"
    assert set(after.changed(before)) <= fault.changes


def record(
    fault: Fault, clients: dict[str, Client], killed: float, new: list[str], measured: Measured
) -> None:
    """The client at the API's Service; the other address and what is new are a note."""
    seen, name = clients["service"].seen, f"fault.{fault.name}"
    spared = "service" in fault.spared
    most = 0 if spared else None
    failed = seen.classes()
    note = [f"new: {', '.join(new) or 'nothing'}"]
    if "worker" in clients:
        other = clients["worker"].seen
        note.append(
            f"at the worker's proxy {other.failed} of {len(other.requests)} requests failed, "
            f"{other.cut} of {len(other.streams)} streams were cut, the last failure after "
            f"{other.seconds(killed):.1f} s"
        )
    measured(f"{name}.failed", seen.failed, "requests", of=len(seen.requests), at_most=most,
             note=failed)  # fmt: skip
    measured(f"{name}.cut", seen.cut, "streams", of=len(seen.streams), at_most=most)
    measured(f"{name}.seconds", seen.seconds(killed), "s", at_most=0 if spared else fault.seconds,
             note="; ".join(note))  # fmt: skip
