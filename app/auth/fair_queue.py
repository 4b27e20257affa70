"""A queue for few workers that is shared fairly: between classes, networks and lanes.

Each waiting attempt has a path of names, such as ("new", "192.0.2.0/24", "192.0.2.7/32"). The queue
is a tree of these names, and each branch of it gives a turn to its own branches in rotation. One
sender therefore waits for one attempt of each other sender of its network, and for one of each
other network, however many the others have waiting.

Where the queue is full, the longest branch loses its newest attempt to a newcomer whose own branch
is shorter by at least two; otherwise the newcomer is refused. So nobody can displace those who wait
alone by coming often.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence

Turn = asyncio.Future[bool]
"""True when it is this attempt's turn, False when the attempt has lost its place."""


class QueueFullError(Exception):
    """The attempt has no place in the queue, or lost it."""


class FairQueue:
    """Gives turns to at most `workers` at a time, while at most `per_lane` attempts with the same
    path, and `total` in all, wait."""

    def __init__(self, workers: int, per_lane: int, total: int) -> None:
        self._free = workers
        self._per_lane = per_lane
        self._total = total
        self._root = _Branch()

    async def turn(self, path: Sequence[str]) -> None:
        """Wait for a turn, to be ended by `release`; QueueFullError when there is no place."""
        if self._free:  # then nothing waits
            self._free -= 1
            return
        lane = self._root.lane(path)
        if lane is not None and lane.size >= self._per_lane:
            raise QueueFullError
        if self._root.size >= self._total:
            self._make_room(path)
        turn: Turn = asyncio.get_running_loop().create_future()
        self._root.push(path, turn)
        try:
            given = await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._root.remove(path, turn)
            elif turn.done() and turn.result():
                self.release()
            raise
        if not given:
            raise QueueFullError

    def release(self) -> None:
        """End a turn, and give it to the next."""
        while self._root.size:
            turn = self._root.pop()
            if not turn.done():  # otherwise its client has gone
                turn.set_result(True)
                return
        self._free += 1

    def __len__(self) -> int:
        return self._root.size

    def _make_room(self, path: Sequence[str]) -> None:
        branch: _Branch | None = self._root
        longest = self._root
        lost: list[str] = []
        for name in path:
            largest = max(longest.branches, key=lambda other: longest.branches[other].size)
            if branch is not None and largest != name:
                own = branch.branches.get(name)
                if longest.branches[largest].size < (own.size if own else 0) + 2:
                    raise QueueFullError
                branch = None  # the paths part here, and what follows is another's
            elif branch is not None:
                branch = branch.branches.get(name)
            longest = longest.branches[largest]
            lost.append(largest)
        if branch is not None:  # its own lane is the longest
            raise QueueFullError
        newest = longest.waiting[-1]
        self._root.remove(lost, newest)
        if not newest.done():
            newest.set_result(False)


class _Branch:
    """A part of the tree: branches in the order of their turns, or the attempts of one lane."""

    def __init__(self) -> None:
        self.size = 0
        self.branches: OrderedDict[str, _Branch] = OrderedDict()
        self.waiting: deque[Turn] = deque()

    def lane(self, path: Sequence[str]) -> "_Branch | None":
        branch: _Branch | None = self
        for name in path:
            branch = branch.branches.get(name) if branch else None
        return branch

    def push(self, path: Sequence[str], turn: Turn) -> None:
        self.size += 1
        if path:
            self.branches.setdefault(path[0], _Branch()).push(path[1:], turn)
        else:
            self.waiting.append(turn)

    def pop(self) -> Turn:
        self.size -= 1
        if not self.branches:
            return self.waiting.popleft()
        name, branch = self.branches.popitem(last=False)
        turn = branch.pop()
        if branch.size:
            self.branches[name] = branch
        return turn

    def remove(self, path: Sequence[str], turn: Turn) -> bool:
        """Whether the attempt was in this branch, and has been taken out of it."""
        if not path:
            found = turn in self.waiting
            if found:
                self.waiting.remove(turn)
        else:
            branch = self.branches.get(path[0])
            found = branch is not None and branch.remove(path[1:], turn)
            if branch is not None and not branch.size:
                del self.branches[path[0]]
        self.size -= found
        return found
