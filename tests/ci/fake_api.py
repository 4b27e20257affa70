"""Stand-ins for the comments of GitHub's and GitLab's REST APIs, on 127.0.0.1."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 100
DONE = "X-Carried-Out"
"""A fault with this header happens after the call was carried out."""
REPOSITORY = "team/stack"
TOKENS = {"github": "ghs_" + "t0ken" * 5, "gitlab": "glpat-" + "t0ken" * 5}
BOTS = {"github": "github-actions[bot]", "gitlab": 71}


class FakeApi:
    """Its comments, what was asked of it, and the faults to answer with first."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.comments: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        self.faults: list[tuple[str, int, dict[str, str]]] = []
        """(method, status, headers), each used once by the first call with that method. A status of
        0 carries the call out and cuts the connection before the answer."""
        self.address = ""

    def add(self, body: str, author: object = None) -> int:
        identity = len(self.comments) + 1000
        author = BOTS[self.kind] if author is None else author
        by = {"user": {"login": author}} if self.kind == "github" else {"author": {"id": author}}
        self.comments.append({"id": identity, "body": body, **by})
        return identity

    def bodies(self, author: object = None) -> list[str]:
        wanted = BOTS[self.kind] if author is None else author
        return [
            comment["body"]
            for comment in self.comments
            if wanted in {comment.get("user", {}).get("login"), comment.get("author", {}).get("id")}
        ]

    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    def carry_out(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Any:
        """Answer as (status, value, whether there is a next page)."""
        if self.kind == "github":
            listing = f"/repos/{REPOSITORY}/issues/7/comments"
            one = f"/repos/{REPOSITORY}/issues/comments/"
        else:
            listing = "/api/v4/projects/33/merge_requests/7/notes"
            one = f"{listing}/"
        if method == "GET" and path == "/api/v4/user" and self.kind == "gitlab":
            return 200, {"id": BOTS["gitlab"]}, False
        if method == "GET" and path == listing:
            size, page = int(query["per_page"][0]), int(query["page"][0])
            first = (page - 1) * min(size, PAGE)
            return 200, self.comments[first : first + PAGE], len(self.comments) > first + PAGE
        if method == "POST" and path == listing:
            return 201, {"id": self.add(body["body"])}, False
        if method == {"github": "PATCH", "gitlab": "PUT"}[self.kind] and path.startswith(one):
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
            given = self.headers.get("PRIVATE-TOKEN") or ""
            given = given or (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if given != TOKENS[api.kind]:
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
def serve(kind: str) -> Iterator[FakeApi]:
    api = FakeApi(kind)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    prefix = "/api/v4" if kind == "gitlab" else ""
    api.address = f"http://127.0.0.1:{server.server_port}{prefix}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
