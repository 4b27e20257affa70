"""The client counts what a server does to it: a refusal, a hang, a stream that is cut."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.faults import client
from bench.faults.client import Client, Target
from bench.faults.seen import Seen

Behaviour = Callable[[BaseHTTPRequestHandler], None]
EVENT = b'data: {"choices": []}\n\n'


@contextmanager
def server(get: Behaviour, post: Behaviour) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            get(self)

        def do_POST(self) -> None:
            post(self)

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    running.block_on_close = False
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_address[1]}"
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def answer(status: int = 200, body: bytes = b"", seconds: float = 0) -> Behaviour:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        handler.send_response(status)
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def seen(get: Behaviour, post: Behaviour, seconds: float = 0.7, streams: int = 0) -> Seen:
    with server(get, post) as base:
        looking = Client(Target(base, "tiny", "token"), streams)
        with looking.working():
            time.sleep(seconds)
    return looking.seen


def test_requests_are_sent_at_their_times_also_while_others_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.3)
    found = seen(answer(seconds=1.0), answer())
    assert len(found.requests) >= 5, "one after the other, there would be two"
    assert {event.failure for event in found.requests} == {"ReadTimeout"}


def test_refused_requests_and_streams_are_failed_requests() -> None:
    found = seen(answer(503), answer(503), streams=1)
    assert found.failed == len(found.requests)
    assert {event.failure for event in found.failures} == {"status 503"}
    assert found.of("stream")
    assert found.streams == []


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (EVENT + b"data: [DONE]\n\n", ""),
        (EVENT, "ended without [DONE]"),
        (b'data: {"error": {"message": "gone"}}\n\n', "an error in the stream"),
    ],
)
def test_a_stream_is_whole_or_cut(body: bytes, failure: str) -> None:
    found = seen(answer(), answer(body=body), streams=2)
    assert found.failed == 0
    assert found.streams
    assert {event.failure for event in found.streams} == {failure}
