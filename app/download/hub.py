"""Requests to the hub, or to a mirror that speaks its protocol (HF_ENDPOINT).

huggingface_hub builds addresses and interprets refusals; `app.download.transfer` transfers the
content. The listing is read here and not by the library, which follows a listing without end, and
trusts its names: a mirror must not be able to write outside the model's folder.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import errors, hf_hub_url, hf_raise_for_status

from app.download.client import translated
from app.download.errors import DownloadError, Interrupted, MistakeError
from app.download.patience import requested_pause
from app.download.remote import BLOB, RemoteFile

BUSY = {408, 425, 429}
SET_TOKEN = "pulumi config set --secret rayline:hubToken"
MAX_SIZE = 1024**4
"""Bytes of one file; the Hub's limit is 500 GB."""
MAX_FILES = 100_000
MAX_PAGES = 1000
MAX_PAGE = 64 * 1024**2
"""Bytes of one page of a listing; the Hub's pages have 1000 files, about 300 KB."""
MAX_REFUSAL = 64 * 1024
"""Bytes of the body of a refusal."""


@dataclass(frozen=True)
class Repository:
    """One commit of a repository on a hub. `token` is None for a public one; no repr has it."""

    endpoint: str
    source: str
    revision: str
    client: httpx2.Client
    token: str | None = None

    def __repr__(self) -> str:
        return f"Repository({self.endpoint!r}, {self.source!r}, {self.revision!r})"

    def files(self) -> list[RemoteFile]:
        """Every file of the commit. Raises `MistakeError`, `Interrupted`."""
        found: dict[str, RemoteFile] = {}
        tree = f"{self.endpoint}/api/models/{self.source}/tree/{self.revision}"
        query: str | None = "recursive=true"
        for _ in range(MAX_PAGES):
            entries, query = self._page(f"{tree}?{query}")
            for entry in entries:
                if entry.get("type") == "file":
                    file = self._file(entry)
                    found[file.path] = file
            if query is None:
                self._require_consistent(found)
                return list(found.values())
            if len(found) > MAX_FILES:
                break
        raise self._hostile(f"has more than {MAX_FILES} files or {MAX_PAGES} pages")

    @contextmanager
    def range(self, file: RemoteFile, first: int, last: int) -> Iterator[Any]:
        """The streaming response to a request for bytes `first` to `last` of `file`.

        Its status is 206, or 200 if the server sends the whole file anyway. The client drops the
        token when it is redirected to another host, as the hub does for large files.
        """
        url = hf_hub_url(self.source, file.path, revision=self.revision, endpoint=self.endpoint)
        with self._get(url, {"Range": f"bytes={first}-{last}"}) as answer:
            for each in (*answer.history, answer):
                commit = each.headers.get("X-Repo-Commit", self.revision)
                if commit != self.revision:
                    raise MistakeError(
                        f"{self.endpoint} answers with files of another commit of {self.source}, "
                        f"{commit[:40]!r}. Check the mirror (`hub.endpoint`)."
                    )
            yield answer

    def _page(self, url: str) -> tuple[list[dict[str, Any]], str | None]:
        """The entries of one page, and the query of the next.

        Only the query: a mirror may repeat an address of the hub itself, which this network may not
        reach, and which must not receive the mirror's token.
        """
        with self._get(url, {}) as answer:
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_PAGE:
                    raise self._hostile(f"has a page of more than {MAX_PAGE} bytes")
            following = answer.links.get("next", {}).get("url")
        try:
            entries = json.loads(bytes(body))
        except (ValueError, RecursionError):
            entries = None
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise MistakeError(
                f"{self.endpoint} answered no listing of {self.source}. Check that `hub.endpoint` "
                "is a hub."
            )
        return entries, urlsplit(following).query if following else None

    def _file(self, entry: dict[str, Any]) -> RemoteFile:
        """The file of an entry, as far as its values may become names and sizes on the volume."""
        large = entry.get("lfs")
        if isinstance(large, dict):
            blob, size = (
                large.get("oid") or large.get("sha256"),
                large.get("size", entry.get("size")),
            )
        else:
            blob, size = entry.get("oid"), entry.get("size")
        path = entry.get("path")
        if not isinstance(path, str) or not _is_inside(path):
            raise self._hostile(f"contains {str(path)[:80]!r}, which is not a path inside it")
        if not isinstance(blob, str) or not BLOB.fullmatch(blob):
            raise self._hostile(
                f"names {path} {str(blob)[:80]!r}, which is neither a SHA-1 nor a SHA-256"
            )
        if isinstance(large, dict) and len(blob) != 64:
            raise self._hostile(f"names {path}, which is in LFS, by {blob!r}, which is no SHA-256")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE:
            raise self._hostile(f"gives {path} a size of {str(size)[:40]} bytes")
        return RemoteFile(path, size, blob)

    def _require_consistent(self, found: dict[str, RemoteFile]) -> None:
        """No file is a folder too, and equal blobs have equal sizes."""
        sizes: dict[str, int] = {}
        for path, file in found.items():
            parts = path.split("/")
            folders = {"/".join(parts[:count]) for count in range(1, len(parts))}
            if folders & found.keys():
                raise self._hostile(f"contains {path[:80]!r} inside a file")
            if sizes.setdefault(file.blob, file.size) != file.size:
                raise self._hostile(f"gives {file.blob} two sizes")

    def _hostile(self, what: str) -> MistakeError:
        return MistakeError(
            f"the listing of {self.source} at {self.endpoint} {what}. Nothing was downloaded from "
            "it: check that `hub.endpoint` is a hub that you trust."
        )

    @contextmanager
    def _get(self, url: str, headers: dict[str, str]) -> Iterator[httpx2.Response]:
        headers = {"User-Agent": "rayline", "Accept-Encoding": "identity", **headers}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        with (
            translated(self.endpoint),
            self._explained(),  # inside, as the library's errors are errors of the client too
            self.client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code >= 400:
                hf_raise_for_status(_with_body(answer))
            yield answer

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise the library's errors as ours, which never quote a signed address."""
        try:
            yield
        except errors.GatedRepoError:
            raise MistakeError(
                f"{self.source} is gated: accept its terms at {self.endpoint}/{self.source} and "
                f"set a token of that account: {SET_TOKEN}"
            ) from None
        except errors.RevisionNotFoundError:
            raise MistakeError(
                f"{self.source} has no commit {self.revision}: set `revision` to one of "
                f"{self.endpoint}/{self.source}/commits/main."
            ) from None
        except errors.RepositoryNotFoundError:
            raise MistakeError(
                f"{self.endpoint} has no model {self.source}, or it is private and "
                f"{'this token may not read it' if self.token else 'no token is set'}. Correct "
                f"the model's `source`, or set a token that may read it: {SET_TOKEN}"
            ) from None
        except errors.HfHubHTTPError as error:
            raise self._refusal(error.response) from None

    def _refusal(self, response: Any) -> DownloadError:
        status = response.status_code
        answer = f"{self.endpoint} answered {status} for {self.source}"
        if status in {401, 403}:
            why = "the token is invalid or may not read it" if self.token else "it requires a token"
            return MistakeError(f"{answer}: {why}. Set a token that may read it: {SET_TOKEN}")
        if status == 407:
            return MistakeError(
                f"{answer}: the proxy requires a password. Type: "
                "pulumi config set --secret rayline:proxyUrl"
            )
        if status in BUSY or status >= 500:
            return Interrupted(answer, requested_pause(response.headers))
        return MistakeError(
            f"{answer}. Check the model's `source`, and that `hub.endpoint` is a hub."
        )


def _with_body(answer: httpx2.Response) -> httpx2.Response:
    """A copy of a refusal with the beginning of its body, which the library reads."""
    body = bytearray()
    for chunk in answer.iter_raw():
        body += chunk
        if len(body) > MAX_REFUSAL:
            break
    headers = {k: v for k, v in answer.headers.items() if k != "content-encoding"}
    return httpx2.Response(
        answer.status_code, headers=headers, content=bytes(body), request=answer.request
    )


def _is_inside(path: str) -> bool:
    """Whether the path of a listing names a file inside the repository, and nothing else.

    Git itself allows no `.git` and no empty part.
    """
    parts = path.split("/")
    return (
        0 < len(path) <= 1024
        and path.isprintable()
        and "\\" not in path
        and not any(part in {"", ".", "..", ".git"} or len(part.encode()) > 200 for part in parts)
    )
