"""Network namespaces without a name, and TCP and UDP between them.

Descriptors of this process, and processes that run inside, are all that keeps a namespace, so
nothing is left on the machine when the tests end in whatever way. Only the main thread enters them.
"""

import contextlib
import ctypes
import os
import selectors
import socket
import subprocess
import time
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_CURRENT = "/proc/thread-self/ns/net"
QUIET_SECONDS = 1.5
"""A connection that is not made within this time is counted as refused. Linux sends a second SYN
after 1 s, so a single lost packet does not look like a policy."""
PATIENCE_SECONDS = 30.0
"""How long connections that should be made may take on a busy machine."""
_AT_ONCE = 300
"""Sockets; many machines allow 1024 files per process."""


def _call(name: str, *arguments: int) -> None:
    if getattr(_LIBC, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


class Namespace:
    """A network of its own; nothing leads out of it before `link`."""

    def __init__(self) -> None:
        with _restored():
            _call("unshare", _CLONE_NEWNET)
            self.descriptor = os.open(_CURRENT, os.O_RDONLY | os.O_CLOEXEC)
        self.ip("link set lo up")

    def close(self) -> None:
        os.close(self.descriptor)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets and processes that are made in this block belong to the namespace for ever."""
        with _restored():
            _call("setns", self.descriptor, _CLONE_NEWNET)
            yield

    def ip(self, *commands: str) -> None:
        """Commands of iproute2."""
        with self.inside():
            subprocess.run(
                ["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True, timeout=30
            )

    def link(self, device: str, address: str, other: "Namespace", others: Collection[str]) -> None:
        """Route between this namespace, a router, and `other`, which gets `others` as addresses.

        That is how the CNI plug-in `ptp` of the sandbox connects a pod.
        """
        there = f"/proc/{os.getpid()}/fd/{other.descriptor}"
        self.ip(
            f"link add {device} type veth peer name eth0 netns {there}",
            f"address add {address}/32 dev {device}",
            f"link set {device} up",
        )
        other.ip(
            *(f"address add {each}/32 dev eth0" for each in others),
            "link set eth0 up",
            f"route add {address} dev eth0 scope link",
            f"route add default via {address} dev eth0",
        )
        self.ip(*(f"route add {each}/32 dev {device}" for each in others))


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    before = os.open(_CURRENT, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _call("setns", before, _CLONE_NEWNET)
        os.close(before)


@dataclass(frozen=True)
class Place:
    """An address of a namespace, and the user whose sockets these are."""

    namespace: Namespace
    address: str
    user: int = 0

    def bound(self, kind: socket.SocketKind, port: int = 0) -> socket.socket:
        """A socket that is bound here and does not block."""
        with self.namespace.inside(), _user(self.user):
            made = socket.socket(socket.AF_INET, kind)
        try:
            made.setblocking(False)
            made.bind((self.address, port))
        except OSError:
            made.close()
            raise
        return made

    def listen(self, port: int) -> socket.socket:
        made = self.bound(socket.SOCK_STREAM, port)
        made.listen(1024)
        return made


@contextlib.contextmanager
def _user(number: int) -> Iterator[None]:
    """A socket belongs to the user of the file system, who can be changed for this thread alone."""
    before = _LIBC.setfsuid(number)
    try:
        yield
    finally:
        _LIBC.setfsuid(before)


Name = TypeVar("Name", bound=Hashable)
Attempts = Mapping[Name, tuple[Place, Place, int]]
"""Name to start, end and port of the end."""


def connected(attempts: Attempts[Name], expected: Collection[Name]) -> set[Name]:
    """The attempts of which a TCP connection came about. It takes longer than QUIET_SECONDS only
    as long as one of `expected` is missing."""
    names = list(attempts)
    found: set[Name] = set()
    for first in range(0, len(names), _AT_ONCE):
        batch = {name: attempts[name] for name in names[first : first + _AT_ONCE]}
        found |= _connected(batch, set(expected) & set(batch))
    return found


def _connected(attempts: Attempts[Name], expected: set[Name]) -> set[Name]:
    found: set[Name] = set()
    with contextlib.ExitStack() as stack:
        waiting = stack.enter_context(selectors.DefaultSelector())
        for name, (start, end, port) in attempts.items():
            made = stack.enter_context(start.bound(socket.SOCK_STREAM))
            made.connect_ex((end.address, port))
            waiting.register(made, selectors.EVENT_WRITE, name)
        begun = time.monotonic()
        while _goes_on(begun, missing=bool(expected - found)):
            for key, _ in waiting.select(0.1):
                tried = key.fileobj
                assert isinstance(tried, socket.socket)
                if tried.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.add(key.data)
                waiting.unregister(tried)
    return found


def _goes_on(begun: float, *, missing: bool) -> bool:
    passed = time.monotonic() - begun
    return passed < QUIET_SECONDS or (missing and passed < PATIENCE_SECONDS)


def answered(attempts: Attempts[Name], expected: Collection[Name]) -> set[Name]:
    """The attempts of which a datagram arrived, and the answer to it too."""
    found: set[Name] = set()
    with contextlib.ExitStack() as stack:
        listening = {(end, port) for _, end, port in attempts.values()}
        ends = [stack.enter_context(end.bound(socket.SOCK_DGRAM, port)) for end, port in listening]
        starts = {}
        for name, (start, end, port) in attempts.items():
            starts[name] = stack.enter_context(start.bound(socket.SOCK_DGRAM))
            starts[name].sendto(b"?", (end.address, port))
        begun = time.monotonic()
        while _goes_on(begun, missing=bool(set(expected) - found)):
            for made in ends:
                with contextlib.suppress(BlockingIOError):
                    made.sendto(*made.recvfrom(1))
            for name, made in starts.items():
                with contextlib.suppress(BlockingIOError):
                    made.recv(1)
                    found.add(name)
            time.sleep(0.02)
    return found
