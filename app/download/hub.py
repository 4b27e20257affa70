"""Questions to the hub, or to a mirror that speaks its protocol (HF_ENDPOINT).

Listing, addresses and the meaning of refusals are huggingface_hub's. The transfer itself is not
(see `app.download.transfer`).
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
"""Seconds of silence after which a connection counts as lost."""
BUSY = {408, 425, 429}
SET_TOKEN = "pulumi config set --secret rayline:hubToken"


class Interrupted(DownloadError):  # noqa: N818 (one of many, and retried)
    """The hub is not reached, is busy, or the connection was lost."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a commit. `size` is in bytes; `blob` is its name in the cache: SHA-256 of a large
    file, git's SHA-1 of a small one, both in hex."""

    path: str
    size: int
    blob: str


def transport_error() -> type[Exception]:
    """HTTPError of the HTTP client in use: httpx, or httpx2 since huggingface_hub 2."""
    module = importlib.import_module(type(get_session()).__module__.partition(".")[0])
    found: type[Exception] = module.HTTPError
    return found


@dataclass(frozen=True)
class Hub:
    """One commit of one repository. `token` is None for public ones; it is in no repr."""

    endpoint: str
    source: str
    revision: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Hub({self.endpoint!r}, {self.source!r}, {self.revision!r})"

    def files(self) -> list[RemoteFile]:
        """Every file of the commit. Raises `MistakeError`, `Interrupted`."""
        api = HfApi(endpoint=self.endpoint, token=self.token or False)
        with self._told():
            entries = api.list_repo_tree(self.source, recursive=True, revision=self.revision)
            return [
                RemoteFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else entry.blob_id)
                for entry in entries
                if isinstance(entry, RepoFile)
            ]

    @contextmanager
    def range(self, file: RemoteFile, first: int, last: int) -> Iterator[Any]:
        """The answer, still streaming, to a request for bytes `first` to `last` of `file`.

        Its status is 206, or 200 where the server sends the whole file all the same. The client
        drops the token when it is sent on to another host, as the hub does for large files.
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
            self._told(),
            get_session().stream("GET", url, headers=headers, timeout=TIMEOUT) as answer,
        ):
            if answer.status_code >= 400:
                answer.read()
                hf_raise_for_status(answer)
            yield answer

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of library and network as ours. Theirs may quote signed addresses: ours do not."""
        try:
            yield
        except errors.GatedRepoError:
            raise MistakeError(
                f"{self.source} is gated: accept its terms at {self.endpoint}/{self.source} and "
                f"give a token of that account: {SET_TOKEN}"
            ) from None
        except errors.RevisionNotFoundError:
            raise MistakeError(
                f"{self.source} has no commit {self.revision}: give the model one of "
                f"{self.endpoint}/{self.source}/commits/main as `revision`."
            ) from None
        except errors.RepositoryNotFoundError:
            raise MistakeError(
                f"{self.endpoint} has no model {self.source}, or it is private and "
                f"{'this token may not read it' if self.token else 'no token is given'}. Correct "
                f"the model's `source`, or give a token that may read it: {SET_TOKEN}"
            ) from None
        except errors.HfHubHTTPError as error:
            raise self._refusal(error.response.status_code) from None
        except transport_error() as error:
            detail = "" if "://" in str(error) else str(error)
            raise Interrupted(
                f"{self.endpoint}: {type(error).__name__}{': ' if detail else ''}{detail}"
            ) from None

    def _refusal(self, status: int) -> DownloadError:
        what = f"{self.endpoint} answered {status} for {self.source}"
        if status in {401, 403}:
            why = (
                "the token is not valid or may not read it" if self.token else "it asks for a token"
            )
            return MistakeError(f"{what}: {why}. Give a token that may: {SET_TOKEN}")
        if status in BUSY or status >= 500:
            return Interrupted(what)
        return MistakeError(f"{what}: is it a hub? Check the model's `source` and `hub.endpoint`.")
