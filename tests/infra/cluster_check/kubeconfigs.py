"""Kubeconfigs for servers that misbehave."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

CONTEXT = "production"


def kubeconfig(folder: Path, server: str, **user: Any) -> Path:
    """One context, CONTEXT."""
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "",
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": user or {"token": "hidden-token"}}],
                "contexts": [{"name": CONTEXT, "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    return path


@contextmanager
def answering(status: int, body: bytes, *, wait: float = 0, drip: float = 0) -> Iterator[str]:
    """The URL of a server that gives one answer to everything: after `wait` seconds, or byte by
    byte every `drip` seconds."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            time.sleep(wait)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for place in range(len(body)):
                time.sleep(drip)
                self.wfile.write(body[place : place + 1])

        do_GET = do_POST = _answer  # noqa: N815 - the names of http.server

        def log_message(self, *_: object) -> None: ...

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def status(code: int, message: str) -> bytes:
    """A Status object."""
    return json.dumps({"kind": "Status", "code": code, "message": message}).encode()
