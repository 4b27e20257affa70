"""The first client: it logs in with a generated password and streams a chat."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sandbox import first_answer
from sandbox.first_answer import Answer
from toolchain.errors import CommandError


class Api(BaseHTTPRequestHandler):
    """Login and chat, as the service answers them."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/tiny/token":
            assert body == "username=demo&password=secret"
            self._send({"access_token": "a-token"})
            return
        assert self.path == "/tiny/v1/chat/completions"
        assert self.headers["Authorization"] == "Bearer a-token"
        assert json.loads(body)["model"] == "tiny"
        events: list[dict[str, Any]] = [
            {"choices": [{"delta": {"role": "assistant"}}]},
            {"choices": [{"delta": {"content": "Count "}}]},
            {"choices": [{"delta": {"content": "first."}}]},
            {"choices": [], "usage": {"completion_tokens": 3}},
        ]
        text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        self._send_text(f"{text}data: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _send(self, content: object) -> None:
        self._send_text(json.dumps(content))

    def _send_text(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture(scope="module")
def outputs() -> Iterator[dict[str, Any]]:
    """The outputs of a stack whose API answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield {
            "apiUrl": f"http://127.0.0.1:{server.server_address[1]}",
            "models": {"tiny": {"route_prefix": "/tiny"}},
            "passwords": {"demo": "secret"},
        }
        server.shutdown()
        thread.join()


def test_pieces_arrive_first_and_then_the_answer_with_its_figures(outputs: dict[str, Any]) -> None:
    *pieces, answer = first_answer.ask(outputs)
    assert pieces == ["Count ", "first."]
    assert isinstance(answer, Answer)
    assert (answer.text, answer.tokens) == ("Count first.", 3)
    assert 0 < answer.first_token_seconds <= answer.seconds
    assert answer.tokens_per_second == pytest.approx(3 / answer.seconds)


def test_without_a_generated_password_the_message_names_the_remedy() -> None:
    with pytest.raises(CommandError, match="generated no password") as failed:
        list(first_answer.ask({"passwords": {}}))
    assert "rayline:userHashes" in failed.value.message
    assert "make pulumi DO=" in failed.value.hint


def test_an_api_that_does_not_answer_is_named(outputs: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=r"http://127\.0\.0\.1:9/tiny failed: ConnectError"):
        list(first_answer.ask(outputs | {"apiUrl": "http://127.0.0.1:9"}))
