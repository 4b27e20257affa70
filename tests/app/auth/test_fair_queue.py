"""The queue of logins: turns in rotation, bounds, and who loses a place."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from app.auth.fair_queue import FairQueue, QueueFullError
from tests.app.conftest import run

Path = tuple[str, ...]


class Line:
    """Attempts at a queue with one worker, which is busy until `serve`."""

    def __init__(self, per_lane: int = 100, total: int = 1000) -> None:
        self.queue = FairQueue(1, per_lane, total)
        self.served: list[str] = []
        self.refused: list[str] = []

    async def arrive(self, name: str, *path: str) -> "asyncio.Task[None]":
        async def attempt() -> None:
            try:
                await self.queue.turn(path)
            except QueueFullError:
                self.refused.append(name)
                return
            self.served.append(name)

        task = asyncio.get_running_loop().create_task(attempt())
        await asyncio.sleep(0)
        return task

    async def serve(self, count: int) -> Sequence[str]:
        """The names of the next turns."""
        before = len(self.served)
        for _ in range(count):
            self.queue.release()
            for _ in range(3):
                await asyncio.sleep(0)
        return self.served[before:]


def test_every_network_and_every_place_in_it_has_its_turn() -> None:
    async def story() -> None:
        line = Line()
        await line.arrive("first", "new", "x", "x")
        for number in range(5):
            await line.arrive(f"a1-{number}", "new", "a", "1")
        for number in range(3):
            await line.arrive(f"a2-{number}", "new", "a", "2")
        await line.arrive("b", "new", "b", "1")
        await line.arrive("known", "known", "a", "bob")
        assert await line.serve(6) == ["a1-0", "known", "b", "a2-0", "a1-1", "a2-1"]

    run(story())


def test_a_sender_waits_for_one_attempt_of_each_other() -> None:
    async def story() -> None:
        line = Line()
        await line.arrive("first", "new", "x", "x")
        for number in range(60):  # from 60 places of one network
            await line.arrive("flood", "new", "a", str(number))
        await line.arrive("right", "new", "b", "1")
        assert "right" in await line.serve(2)

    run(story())


def test_a_lane_has_a_bound() -> None:
    async def story() -> None:
        line = Line(per_lane=3)
        for number in range(6):
            await line.arrive(str(number), "new", "a", "1")
        assert line.refused == ["4", "5"]
        assert await line.serve(3) == ["1", "2", "3"]

    run(story())


def test_a_full_queue_takes_the_newest_of_the_longest_branch() -> None:
    async def story() -> None:
        line = Line(total=6)
        await line.arrive("first", "new", "x", "x")
        for number in range(4):
            await line.arrive(f"a1-{number}", "new", "a", "1")
        await line.arrive("a2", "new", "a", "2")
        await line.arrive("b1", "new", "b", "1")
        await line.arrive("c1", "new", "c", "1")
        await asyncio.sleep(0)
        assert line.refused == ["a1-3"]
        # Its own branch is the longest.
        await line.arrive("a1-4", "new", "a", "1")
        assert line.refused == ["a1-3", "a1-4"]
        # Within its network it is shorter by two.
        await line.arrive("a3", "new", "a", "3")
        await asyncio.sleep(0)
        assert line.refused == ["a1-3", "a1-4", "a1-2"]
        assert sorted(await line.serve(6)) == ["a1-0", "a1-1", "a2", "a3", "b1", "c1"]

    run(story())


def test_those_who_wait_alone_keep_their_places() -> None:
    async def story() -> None:
        line = Line(total=4)
        await line.arrive("first", "new", "x", "x")
        for number in range(100):
            await line.arrive(str(number), "new", str(number), "1")
        assert line.refused == [str(number) for number in range(4, 100)]
        assert await line.serve(4) == ["0", "1", "2", "3"]

    run(story())


def test_a_known_place_finds_room_among_strangers() -> None:
    async def story() -> None:
        line = Line(total=4)
        await line.arrive("first", "new", "x", "x")
        for number in range(4):
            await line.arrive(str(number), "new", str(number), "1")
        await line.arrive("known", "known", "a", "bob")
        assert "known" in await line.serve(2)

    run(story())


@pytest.mark.parametrize("seed", range(20))
def test_no_turn_is_lost_whatever_leaves_when(seed: int) -> None:
    """Attempts arrive, are cancelled at any time and end, in random order."""
    chance = random.Random(seed)
    running = most = 0

    async def attempt(queue: FairQueue, path: Path) -> None:
        nonlocal running, most
        try:
            await queue.turn(path)
        except QueueFullError:
            return
        running += 1
        most = max(most, running)
        try:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        finally:
            running -= 1
            queue.release()

    async def story() -> None:
        queue = FairQueue(2, 5, 20)
        tasks: list[asyncio.Task[None]] = []
        for _ in range(600):
            path = ("new", chance.choice("ab"), chance.choice("123"))
            tasks.append(asyncio.get_running_loop().create_task(attempt(queue, path)))
            if chance.random() < 0.4:
                chance.choice(tasks).cancel()
            if chance.random() < 0.7:
                await asyncio.sleep(0)
            assert len(queue) <= 20
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (len(queue), queue._free, most, queue._root.branches) == (0, 2, 2, {})

    run(story())
