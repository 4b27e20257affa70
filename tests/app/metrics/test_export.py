"""What reaches Ray, and when."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from app.metrics import export
from app.metrics.counts import Answered, Counts
from app.metrics.export import DISK, RUNNING, Disk, Exporter, Gauges
from app.metrics.phases import Phases
from tests.app.metrics.fake_ray import FakeRay

ONE = Answered("user", "user:bob", "/v1/models", 200, "", 0, 0)
OWN = {"model_name": "m", "ReplicaId": "r"}


def exporter(
    ray: FakeRay,
    counts: Counts,
    gauges: Callable[[], Gauges] = tuple,
    refresh: Callable[[], None] = lambda: None,
) -> Exporter:
    return Exporter(ray, "m", "r", counts, [gauges], refresh)


def test_what_was_counted_since_the_last_round_is_added() -> None:
    ray, counts = FakeRay(), Counts()
    rounds = exporter(ray, counts)
    for new in (2, 0, 3):
        for _ in range(new):
            counts.add(ONE)
        rounds.export()
    labels = {"role": "user", "user": "", "route": "/v1/models", "status": "200", **OWN}
    assert ray.of(ray.sums, "rayline_requests") == [(labels, 5)]


def test_gauges_are_set_in_each_round_because_ray_forgets_them() -> None:
    ray, running, refreshed = FakeRay(), [3.0, 4.0], []
    rounds = exporter(
        ray, Counts(), lambda: [(RUNNING, {}, running.pop(0))], lambda: refreshed.append(1)
    )
    rounds.export()
    assert ray.of(ray.set, RUNNING) == [(OWN, 3.0)]
    rounds.export()
    assert ray.of(ray.set, RUNNING) == [(OWN, 4.0)]
    assert len(refreshed) == 2


def test_a_round_that_fails_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(export, "PERIOD_SECONDS", 0.01)
    ray, counts = FakeRay(), Counts()
    counts.add(ONE)
    ray.broken = True

    async def run() -> None:
        task = asyncio.create_task(exporter(ray, counts).keep_exporting())
        await asyncio.sleep(0.1)
        ray.broken = False
        await asyncio.sleep(0.1)
        task.cancel()

    with caplog.at_level(logging.ERROR, "rayline.metrics"):
        asyncio.run(run())
    assert [value for _, value in ray.of(ray.sums, "rayline_requests")] == [1]
    assert len(caplog.records) == 1


def test_the_disk_is_measured_beside_the_event_loop(tmp_path: Path) -> None:
    async def run() -> Gauges:
        disk = Disk(str(tmp_path))
        assert not list(disk.gauges())
        await asyncio.sleep(0.2)
        return disk.gauges()

    found = {labels["kind"]: value for name, labels, value in asyncio.run(run()) if name == DISK}
    assert 0 <= found["free"] <= found["size"]
    assert found["size"] > 0


def test_a_folder_that_is_missing_has_no_size(tmp_path: Path) -> None:
    async def run() -> Gauges:
        disk = Disk(str(tmp_path / "missing"))
        disk.gauges()
        await asyncio.sleep(0.2)
        return disk.gauges()

    assert not list(asyncio.run(run()))


def test_phases_are_those_that_ended() -> None:
    now = [0.0]
    phases = Phases(lambda: now[0])
    with phases.phase("import"):
        now[0] = 2.0
    with pytest.raises(ValueError, match="no card"), phases.phase("engine"):
        raise ValueError("no card")
    now[0] = 5.0
    phases.done()
    assert phases.seconds == {"import": 2.0, "total": 5.0}
