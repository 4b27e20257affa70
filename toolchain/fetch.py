"""HTTP downloads that give up early: a build is always possible instead."""

import functools
import hashlib
import http.client
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


class DownloadError(Exception):
    """A download is unusable; the text is the reason in one line."""


def _patient(
    connection: type[http.client.HTTPConnection], stall: float
) -> Callable[..., http.client.HTTPConnection]:
    """`connection` with two limits: urllib's `timeout` for connecting, `stall` for each answer."""

    class Patient(connection):  # type: ignore[valid-type, misc]
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(stall)

    return Patient


class _HTTP(urllib.request.HTTPHandler):
    def __init__(self, stall: float) -> None:
        super().__init__()
        self._connection = _patient(http.client.HTTPConnection, stall)

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._connection, req)


class _HTTPS(urllib.request.HTTPSHandler):
    def __init__(self, stall: float) -> None:
        super().__init__()
        self._patient = _patient(http.client.HTTPSConnection, stall)

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._patient, req)


class Fetcher:
    """The downloads of one run. A host that was unreachable is not tried again."""

    def __init__(self, connect_timeout: float, stall_timeout: float) -> None:
        self._timeout = connect_timeout
        self._opener = urllib.request.build_opener(_HTTP(stall_timeout), _HTTPS(stall_timeout))
        self._dead: set[str] = set()

    def given_up(self, url: str) -> bool:
        """Whether the host of `url` failed before in this run."""
        return urllib.parse.urlsplit(url).netloc in self._dead

    def text(self, url: str) -> str:
        """A small file, such as a list of checksums."""
        parts: list[bytes] = []
        self._read(url, parts.append)
        return b"".join(parts).decode(errors="replace")

    def save(self, url: str, target: Path) -> str:
        """Write `url` to `target`; returns the SHA-256 of the received bytes in hexadecimal."""
        digest = hashlib.sha256()
        with target.open("wb") as file:

            def take(chunk: bytes) -> None:
                digest.update(chunk)
                file.write(chunk)

            self._read(url, take)
        return digest.hexdigest()

    def _read(self, url: str, take: Callable[[bytes], object]) -> None:
        host = urllib.parse.urlsplit(url).netloc
        request = urllib.request.Request(url, headers={"User-Agent": "rayline"})
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                for chunk in iter(functools.partial(response.read, _CHUNK), b""):
                    take(chunk)
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
            if status != 404:  # a refusing proxy refuses everything; 404 concerns this file
                self._dead.add(host)
            raise DownloadError(f"{host} answered {status}") from None
        except (OSError, http.client.HTTPException) as error:
            self._dead.add(host)
            raise DownloadError(f"{host}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """The cause in plain words, in one line."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, socket.gaierror):
        return "the name does not resolve"
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return " ".join(text.split()) or type(cause).__name__
