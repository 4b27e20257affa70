"""A stand-in for the comments of a CI system's REST API, on 127.0.0.1."""

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 100
DONE = "X-Carried-Out"
"""A fault with this header happens after the call was carried out."""


class Double(ABC):
    """What one CI system's API and jobs look like."""

    token: str
    author: object
    """Our own user as the API names it; `stranger` is a different user."""
    stranger: object
    prefix = ""
    """Beginning of every path of the API."""
    listing: str
    """Path of the request's comments; `comment` begins the path of a single one."""
    comment: str
    change: str
    """The method that changes a comment."""
    token_variable: str
    api_variable: str
    refused: str
    """Part of the hint if the token may not comment."""
    has_summary = False
    """Whether a job can write to its page, the file summary.md."""
    obeyed = ""
    """A log line that the system would run as a command."""

    @abstractmethod
    def signed(self, author: object) -> dict[str, object]:
        """The part of a comment that names its author."""

    def other(self, path: str) -> object | None:
        """The answer to a GET that is not about comments."""
        return None

    @abstractmethod
    def variables(self, address: str, folder: Path) -> dict[str, str]:
        """A job's variables for request 7, with the API at `address`."""

    @abstractmethod
    def leave_request(self, variables: dict[str, str]) -> None:
        """Make the job one that belongs to no request."""


class FakeApi:
    """The comments, the recorded requests, and the faults to answer with first."""

    def __init__(self, double: Double) -> None:
        self.double = double
        self.comments: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        self.faults: list[tuple[str, int, dict[str, str]]] = []
        """(method, status, headers), each used once by the first call with that method. A status of
        0 carries the call out and cuts the connection before the answer."""
        self.address = ""

    def add(self, body: str, author: object = None) -> int:
        identity = len(self.comments) + 1000
        by = self.double.signed(self.double.author if author is None else author)
        self.comments.append({"id": identity, "body": body, **by})
        return identity

    def bodies(self, author: object = None) -> list[str]:
        by = self.double.signed(self.double.author if author is None else author)
        return [comment["body"] for comment in self.comments if by.items() <= comment.items()]

    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    def carry_out(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Any:
        """Answer as (status, value, whether there is a next page)."""
        if method == "GET" and (answer := self.double.other(path)) is not None:
            return 200, answer, False
        if method == "GET" and path == self.double.listing:
            size, page = int(query["per_page"][0]), int(query["page"][0])
            first = (page - 1) * min(size, PAGE)
            return 200, self.comments[first : first + PAGE], len(self.comments) > first + PAGE
        if method == "POST" and path == self.double.listing:
            return 201, {"id": self.add(body["body"])}, False
        if method == self.double.change and path.startswith(self.double.comment):
            for comment in self.comments:
                if comment["id"] == int(path.rpartition("/")[2]):
                    comment["body"] = body["body"]
                    return 200, comment, False
        return 404, {"message": "Not Found"}, False


def _handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            api.calls.append((self.command, url.path))
            token = self.headers.get("PRIVATE-TOKEN") or ""
            token = token or (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if token != api.double.token:
                return self._answer(401, {"message": "Bad credentials"}, {})
            fault = next((fault for fault in api.faults if fault[0] == self.command), None)
            if fault:
                api.faults.remove(fault)
                if fault[1] == 0 or DONE in fault[2]:
                    api.carry_out(self.command, url.path, parse_qs(url.query), body)
                if fault[1] == 0:
                    self.close_connection = True
                    return None
                return self._answer(fault[1], {"message": f"fault {fault[1]}"}, fault[2])
            query = parse_qs(url.query)
            status, value, more = api.carry_out(self.command, url.path, query, body)
            link = {"Link": f'<{api.address}{url.path}?page=2>; rel="next"'} if more else {}
            return self._answer(status, value, link)

        def _answer(self, status: int, value: Any, headers: dict[str, str]) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            for name, text in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Not into the test's output."""

    for method in ("GET", "POST", "PATCH", "PUT"):
        setattr(Handler, f"do_{method}", Handler._serve)
    return Handler


@contextmanager
def serve(double: Double) -> Iterator[FakeApi]:
    api = FakeApi(double)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    api.address = f"http://127.0.0.1:{server.server_port}{double.prefix}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
