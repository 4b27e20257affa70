"""Prints which requests vLLM's media connector makes, with the settings that the service gives it.

Two servers on 127.0.0.1 stand for an allowed host (by the name localhost) and another one.
"""

import contextlib
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from app.engine.media import allowed_domains, follow_no_redirects

follow_no_redirects(os.environ)
ASKED: list[str] = []


class Host(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ASKED.append(self.path)
        redirect = self.path == "/redirect"
        self.send_response(302 if redirect else 200)
        if redirect:
            self.send_header(
                "Location", f"http://127.0.0.1:{self.headers['Host'].rpartition(':')[2]}/secret"
            )
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def asked(url: str) -> list[str]:
    """The paths that vLLM asked for; what it makes of the answers does not matter."""
    from vllm.multimodal.media import MediaConnector

    ASKED.clear()
    domains = allowed_domains({"GUARD_MEDIA_DOMAINS": "localhost"})
    with contextlib.suppress(Exception):
        MediaConnector(allowed_media_domains=domains).fetch_image(url)
    return list(ASKED)


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Host)
    Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    found = {
        "allowed": asked(f"http://localhost:{port}/picture"),
        "redirected": asked(f"http://localhost:{port}/redirect"),
        "other host": asked(f"http://127.0.0.1:{port}/secret"),
    }
    sys.stdout.write("\n" + json.dumps(found) + "\n")
