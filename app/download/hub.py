"""Requests to the hub, or to a mirror that speaks its protocol (HF_ENDPOINT).

huggingface_hub lists files, builds addresses and interprets refusals; `app.download.transfer`
transfers the content.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from huggingface_hub import HfApi, errors, get_session, hf_hub_url, hf_raise_for_status
from huggingface_hub.hf_api import RepoFile

from app.download.errors import DownloadError, MistakeError

TIMEOUT = 60.0
"""Seconds without data after which a connection counts as lost."""
BUSY = {408, 425, 429}
SET_TOKEN = "pulumi config set --secret rayline:hubToken"


class Interrupted(DownloadError):  # noqa: N818 (an interruption is retried)
    """The hub cannot be reached or is busy, or the connection was lost."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a commit. `size` is in bytes. `blob` is its name in the cache: the SHA-256 of a
    large file or git's SHA-1 of a small one, in hex."""

    path: str
    size: int
    blob: str


def transport_error() -> type[Exception]:
    """HTTPError of the HTTP client in use: httpx, or httpx2 since huggingface_hub 2."""
    module = importlib.import_module(type(get_session()).__module__.partition(".")[0])
    error_type: type[Exception] = module.HTTPError
    return error_type


@dataclass(frozen=True)
class Repository:
    """One commit of a repository on a hub. `token` is None for a public one; no repr has it."""

    endpoint: str
    source: str
    revision: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Repository({self.endpoint!r}, {self.source!r}, {self.revision!r})"

    def files(self) -> list[RemoteFile]:
        """Every file of the commit. Raises `MistakeError`, `Interrupted`."""
        api = HfApi(endpoint=self.endpoint, token=self.token or False)
        with self._translated_errors():
            entries = api.list_repo_tree(self.source, recursive=True, revision=self.revision)
            return [
                RemoteFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else entry.blob_id)
                for entry in entries
                if isinstance(entry, RepoFile)
            ]

    @contextmanager
    def range(self, file: RemoteFile, first: int, last: int) -> Iterator[Any]:
        """The streaming response to a request for bytes `first` to `last` of `file`.

        Its status is 206, or 200 if the server sends the whole file anyway. The client drops the
        token when it is redirected to another host, as the hub does for large files.
        """
        url = hf_hub_url(self.source, file.path, revision=self.revision, endpoint=self.endpoint)
        headers = {
            "User-Agent": "rayline",
            "Range": f"bytes={first}-{last}",
            "Accept-Encoding": "identity",
        }
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        with (
            self._translated_errors(),
            get_session().stream("GET", url, headers=headers, timeout=TIMEOUT) as answer,
        ):
            if answer.status_code >= 400:
                answer.read()
                hf_raise_for_status(answer)
            yield answer

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Raise errors of library and network as ours, which never quote a signed address."""
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
            raise self._refusal(error.response.status_code) from None
        except transport_error() as error:
            detail = "" if "://" in str(error) else str(error)
            raise Interrupted(
                f"{self.endpoint}: {type(error).__name__}{': ' if detail else ''}{detail}"
            ) from None

    def _refusal(self, status: int) -> DownloadError:
        answer = f"{self.endpoint} answered {status} for {self.source}"
        if status in {401, 403}:
            why = "the token is invalid or may not read it" if self.token else "it requires a token"
            return MistakeError(f"{answer}: {why}. Set a token that may read it: {SET_TOKEN}")
        if status in BUSY or status >= 500:
            return Interrupted(answer)
        return MistakeError(
            f"{answer}. Check the model's `source`, and that `hub.endpoint` is a hub."
        )
