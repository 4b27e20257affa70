"""A fake of the API server on 127.0.0.1: a test's subclass answers the requests."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml

CONTEXT = "fake"


class Reset(Exception):  # noqa: N818 - not an error of the test
    """Close the connection after `sent` bytes of the body."""

    def __init__(self, sent: int = 0) -> None:
        self.sent = sent


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class FakeClock:
    """Time that passes only during `sleep`."""

    time: float = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def refused(status: int, reason: str, message: str) -> tuple[int, Any]:
    """A Status object, as the API server itself answers."""
    return status, {"kind": "Status", "reason": reason, "message": message, "code": status}


@dataclass
class FakeApi:
    """Override `answer`. All requests are recorded in `requests`."""

    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> tuple[int, Any]:
        """Status and body; a dict or list is sent as JSON, a str as it is."""
        return refused(404, "NotFound", f"{request.path} not found")

    def asked(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]

    def __enter__(self) -> Self:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                parts = urlsplit(self.path)
                request = Request(
                    self.command,
                    parts.path,
                    {key: values[0] for key, values in parse_qs(parts.query).items()},
                    {key.lower(): value for key, value in self.headers.items()},
                    json.loads(body) if body else None,
                )
                fake.requests.append(request)
                cut = None
                try:
                    status, value = fake.answer(request)
                except Reset as reset:
                    cut, status, value = reset.sent, 200, "x" * 100
                text = value if isinstance(value, str) else json.dumps(value)
                data = text.encode(errors="surrogatepass")
                if cut == 0:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[:cut])
                if cut is not None:
                    self.close_connection = True

            do_GET = do_PUT = do_PATCH = do_DELETE = do_POST = _handle  # noqa: N815

            def log_message(self, *_: object) -> None: ...

            def finish(self) -> None:
                try:
                    super().finish()
                except (OSError, ValueError):
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def kubeconfig(self, folder: Path) -> Path:
        """A kubeconfig whose one context is this server."""
        path = folder / "kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "",
            "clusters": [{"name": CONTEXT, "cluster": {"server": self.url}}],
            "users": [{"name": CONTEXT, "user": {"token": "kube-user-token"}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        }
        path.write_text(yaml.safe_dump(content))
        return path
