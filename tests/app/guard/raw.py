"""Requests whose sender stops, stalls or goes on too long, byte by byte over real sockets."""

import asyncio
import time
from dataclasses import dataclass

from tests.app.guard import attacks


@dataclass(frozen=True)
class Heard:
    """What came back until the connection ended or the test stopped waiting.

    `seconds` is the time to the end, or else to the last byte.
    """

    responses: tuple[tuple[int, bytes], ...]
    ended: bool
    seconds: float

    @property
    def status(self) -> int | None:
        """The status of the only response; None if there was none."""
        return self.responses[0][0] if self.responses else None


def head(method: str, path: str, *headers: str) -> bytes:
    """A request's head."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def chunked(body: bytes, *trailers: str) -> bytes:
    """A body in one chunk, with these lines behind it."""
    lines = "".join(f"{line}\r\n" for line in trailers).encode()
    return b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, lines)


async def talk(port: int, *pieces: bytes | float, wait_s: float = 10.0) -> Heard:
    """Send the pieces, pausing for each number of seconds, then listen for up to `wait_s`."""
    began = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return Heard((), True, time.monotonic() - began)
    listening = asyncio.create_task(_listen(reader))
    ended = True
    try:
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
                continue
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    try:
        async with asyncio.timeout(wait_s):
            heard = await asyncio.shield(listening)
    except TimeoutError:
        ended = False
        listening.cancel()
        heard = await listening
    writer.close()
    received, last = heard
    return Heard(attacks.responses(received), ended, last - began)


async def _listen(reader: asyncio.StreamReader) -> tuple[bytes, float]:
    received, last = b"", time.monotonic()
    try:
        while piece := await reader.read(65536):
            received, last = received + piece, time.monotonic()
    except OSError:
        pass
    except asyncio.CancelledError:
        return received, last
    return received, time.monotonic()
