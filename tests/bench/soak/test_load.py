"""The load of a soak: every kind of request, with the token of the last login."""

import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler

from bench.soak.load import Access, Load
from tests.bench.faults.test_client import server

WHOLE = b'data: {"choices": []}\n\ndata: [DONE]\n\n'


class Service:
    """Gives out numbered tokens, and accepts the two newest."""

    def __init__(self) -> None:
        self.newest = 0
        self.paths: Counter[str] = Counter()
        self.refused: list[str] = []
        self._guard = threading.Lock()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self._guard:
            self.paths[handler.path] += 1
            if handler.path == "/token":
                self.newest += 1
                body = b'{"access_token": "%d"}' % self.newest
            else:
                given = handler.headers["Authorization"].removeprefix("Bearer ")
                if int(given) < self.newest - 1:
                    self.refused.append(given)
                body = WHOLE
        handler.send_response(401 if self.refused else 200)
        handler.end_headers()
        handler.wfile.write(body)


def test_every_kind_is_sent_with_the_token_of_the_last_login() -> None:
    service = Service()
    with server(service.answer, service.answer) as base:
        load = Load(Access(base, "tiny", "demo", "password"))
        with load.working(open_streams=1):
            time.sleep(0.7)
    assert service.newest >= 2
    assert set(service.paths) == {"/token", "/v1/models", "/v1/chat/completions"}
    assert {event.kind for event in load.events} == {"models", "chat", "login", "stream"}
    assert service.refused == []
    assert [event.failure for event in load.events if event.failure] == []


def test_a_service_that_is_gone_is_a_failure_of_each_kind() -> None:
    service = Service()
    with server(service.answer, service.answer) as base:
        load = Load(Access(base, "tiny", "demo", "password"))
    with load.working(open_streams=1):
        time.sleep(0.3)
    assert {event.kind for event in load.events} == {"models", "chat", "login", "stream"}
    assert {event.failure for event in load.events} == {"ConnectError"}
    assert any(not event.opened for event in load.events if event.kind == "stream")
