"""A small server of the part of the Hugging Face Hub's protocol that downloads use.

    python -m sandbox.hub.server FOLDER [--port 8080]

Every repository contains the files of FOLDER; they differ in the faults of `repositories`. It uses
the standard library only, because its image has nothing else. The protocol is described at
https://huggingface.co/docs/hub/api and in huggingface_hub's file_download.py,
`get_hf_file_metadata`.
"""

import argparse
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sandbox.hub.repositories import REPOSITORIES, TOKEN, Behaviour, File

CHUNK = 64 * 1024


class Refusal(Exception):  # noqa: N818 (a response, not an error)
    """A response with an error status; `code` is the hub's X-Error-Code."""

    def __init__(
        self, status: int, code: str = "", message: str = "", retry_after: str = ""
    ) -> None:
        super().__init__(status, code, message, retry_after)
        self.status, self.code, self.message = status, code, message
        self.retry_after = retry_after


class Hub(ThreadingHTTPServer):
    """Serves `folder` under the names of `repositories`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        folder: Path,
        address: tuple[str, int] = ("127.0.0.1", 0),
        repositories: dict[str, Behaviour] = REPOSITORIES,
    ) -> None:
        self.repositories = repositories
        self.requests: list[str] = []
        """`METHOD path [range]` of every request, for tests."""
        self.counts: Counter[tuple[str, str]] = Counter()
        self.guard = threading.Lock()
        self._files = {
            path.relative_to(folder).as_posix(): File(path.relative_to(folder).as_posix(), path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        super().__init__(address, Handler)

    def files(self, repository: str) -> dict[str, File]:
        without = self.repositories[repository].without
        return {p: f for p, f in self._files.items() if not (without and p.endswith(without))}

    def entries(self, repository: str) -> list[dict[str, object]]:
        """The listing of a repository."""
        return [file.entry() for file in self.files(repository).values()]

    def count(self, repository: str, what: str) -> int:
        """Count an event; returns how often it was counted before."""
        with self.guard:
            self.counts[repository, what] += 1
            return self.counts[repository, what] - 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)(/.*)?)?")
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
STORED = re.compile(r"/-/stored/([^/]+/[^/]+)/([^/]+)/(.+)")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._body = self.rfile.read(length)
        path = unquote(urlsplit(self.path).path)
        span = self.headers.get("Range")
        with self.server.guard:
            self.server.requests.append(f"{self.command} {path}{f' {span}' if span else ''}")
        try:
            if path == "/healthz":
                self._json({"status": "ok"})
            elif match := API.fullmatch(path):
                self._describe(match[1], match[2] or "revision", match[3] or "main")
            elif match := RESOLVE.fullmatch(path):
                self._resolve(match[1], match[2], match[3])
            elif match := STORED.fullmatch(path):
                self._send_file(match[1], match[2], self._file(match[1], match[3]))
            else:
                raise Refusal(404)
        except Refusal as refusal:
            self._json({"error": refusal.message or refusal.code}, refusal)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # a client that was killed

    def _authorize(self, repository: str, *, content: bool) -> Behaviour:
        """The repository's behaviour, if the client may see it and, for `content`, its files."""
        header = self.headers.get("Authorization")
        if header is not None and header != f"Bearer {TOKEN}":
            raise Refusal(401, message="Invalid credentials in Authorization header")
        behaviour = self.server.repositories.get(repository)
        hidden = behaviour is None or (behaviour.access == "private" and header is None)
        if behaviour is None or hidden:  # the same response, as the Hub's does not reveal which
            raise Refusal(404 if header else 401, "RepoNotFound", "Repository not found")
        if self._is_due(repository, "limited", behaviour.limited):
            raise Refusal(429, message="Too many requests", retry_after=behaviour.retry_after)
        if content and behaviour.access == "gated" and header is None:
            raise Refusal(401, "GatedRepo", f"Access to model {repository} is restricted.")
        return behaviour

    def _commit(self, behaviour: Behaviour, revision: str) -> str:
        commit = behaviour.commits[0] if revision == "main" else revision
        if commit not in behaviour.commits:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _file(self, repository: str, path: str) -> File:
        try:
            return self.server.files(repository)[path]
        except KeyError:
            raise Refusal(404, "EntryNotFound", "Entry not found") from None

    def _describe(self, repository: str, what: str, revision: str) -> None:
        behaviour = self._authorize(repository, content=False)
        commit = self._commit(behaviour, revision)
        entries = self.server.entries(repository)
        if what == "tree":
            self._json(entries)
        elif what == "paths-info":
            wanted = self._wanted_paths()
            self._json([entry for entry in entries if entry["path"] in wanted])
        else:
            siblings = [
                {"rfilename": e["path"], "size": e["size"], "blobId": e["oid"], "lfs": e.get("lfs")}
                for e in entries
            ]
            known = {"_id": commit[:24], "id": repository, "modelId": repository, "sha": commit}
            access = {
                "private": behaviour.access == "private",
                "gated": "auto" if behaviour.access == "gated" else False,
            }
            self._json(known | access | {"tags": [], "downloads": 0, "siblings": siblings})

    def _wanted_paths(self) -> set[str]:
        if "json" in (self.headers.get("Content-Type") or ""):
            return set(json.loads(self._body)["paths"])
        return set(parse_qs(self._body.decode()).get("paths", []))

    def _resolve(self, repository: str, revision: str, path: str) -> None:
        behaviour = self._authorize(repository, content=True)
        commit = self._commit(behaviour, revision)
        file = self._file(repository, path)
        if not file.is_large:
            self._send_file(repository, commit, file)
            return
        self.send_response(302)
        stored = f"http://{self.headers['Host']}/-/stored/{repository}/{commit}/{path}"
        self.send_header("Location", stored)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("X-Linked-Size", str(file.size))
        self.send_header("X-Linked-ETag", f'"{file.etag}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_file(self, repository: str, commit: str, file: File) -> None:
        behaviour = self.server.repositories.get(repository, Behaviour())
        if file.is_large and self._is_due(repository, "busy", behaviour.busy):
            raise Refusal(503, message="busy")
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        first, last = 0, file.size - 1
        ranged = span is not None and behaviour.ranges
        if span and ranged:
            first = int(span[1])
            last = min(int(span[2] or last), last)
            if first > last:
                raise Refusal(416)
        self.send_response(206 if ranged else 200)
        # The real Hub stores large files on another host and sends no such headers from there. Here
        # the redirect stays on one host, so the library follows it and reads them.
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{file.etag}"')
        self.send_header("Content-Length", str(last - first + 1))
        if ranged:
            self.send_header("Content-Range", f"bytes {first}-{last}/{file.size}")
        self.end_headers()
        if self.command != "HEAD":
            self._send_content(repository, file, first, last, behaviour)

    def _send_content(
        self, repository: str, file: File, first: int, last: int, behaviour: Behaviour
    ) -> None:
        end = last + 1
        if file.is_large and behaviour.cut and end - first > behaviour.cut:
            end = first + behaviour.cut
            self.close_connection = True
        wrong = file.is_large and self._is_due(repository, "corrupt", behaviour.corrupt)
        for chunk in _chunks(file.location, first, end):
            self.wfile.write(chunk if not wrong else chunk[:-1] + bytes([chunk[-1] ^ 1]))
            wrong = False
            if file.is_large and behaviour.rate:
                time.sleep(len(chunk) / behaviour.rate)

    def _is_due(self, repository: str, what: str, times: int) -> bool:
        return times < 0 or (times > 0 and self.server.count(repository, what) < times)

    def _json(self, content: object, refusal: Refusal | None = None) -> None:
        text = json.dumps(content).encode()
        self.send_response(refusal.status if refusal else 200)
        if refusal and refusal.retry_after:
            self.send_header("Retry-After", refusal.retry_after)
        if refusal and refusal.code:
            self.send_header("X-Error-Code", refusal.code)
        if refusal and refusal.message:
            self.send_header("X-Error-Message", refusal.message)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


def _chunks(path: Path, first: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(first)
        while first < end and (chunk := stream.read(min(CHUNK, end - first))):
            yield chunk
            first += len(chunk)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Serves a model's files as a model hub, for tests."
    )
    parser.add_argument("folder", type=Path, help="the files of every repository")
    parser.add_argument("--port", type=int, default=8080, help="TCP port (default: 8080)")
    options = parser.parse_args()
    with Hub(options.folder, ("0.0.0.0", options.port)) as hub:
        print(f"serving {len(hub.repositories)} repositories on port {options.port}", flush=True)
        hub.serve_forever()


if __name__ == "__main__":
    main()
