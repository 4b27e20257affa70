"""The steps of a download, in order."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.download import inspect
from app.download.cache import ModelCache
from app.download.errors import WrongContentError
from app.download.hub import Repository
from app.download.patience import Patience
from app.download.pickles import NONE, Allowed
from app.download.progress import Progress, amount
from app.download.remote import RemoteFile
from app.download.selection import Purpose, Selection, select
from app.download.transfer import fetch, matches


@dataclass(frozen=True)
class Wanted:
    """What to download of one commit. `load_format` is vLLM's; it matters to a model only.
    `pickles`: which files may be in that format."""

    repository: Repository
    purpose: Purpose = "model"
    load_format: str = "auto"
    pickles: Allowed = NONE

    @property
    def part(self) -> str:
        """What distinguishes the record of this download from others of the same commit."""
        if self.purpose != "model":
            return f".{self.purpose}{self.pickles.mark}"
        load_format = "" if self.load_format == "auto" else f".{self.load_format.lower()}"
        return f"{load_format}{self.pickles.mark}"


@dataclass(frozen=True)
class Into:
    """Where and how to download. `verify`: read and hash what is in the cache already."""

    cache: Path
    progress: Progress
    patience: Patience
    verify: bool = False


class Download:
    """The download of one commit into the cache. Raises `DownloadError`; what was received is kept
    for the next run."""

    def __init__(self, wanted: Wanted, into: Into) -> None:
        self._wanted = wanted
        self.repository = wanted.repository
        self._progress = into.progress
        self._patience = into.patience
        self._verify = into.verify
        self._selection: Selection | None = None
        self.store = ModelCache(
            into.cache, self.repository.source, self.repository.revision, wanted.part
        )

    def plan(self) -> None:
        """Find out what to download, without a byte of content.

        A verified commit is neither requested nor read again, unless `verify` is set.
        """
        source, pickles = self.repository.source, self._wanted.pickles
        if self._is_done():
            # An earlier version may have downloaded what is not allowed.
            pickles.require(self.store.paths(), source)
            return
        listed = self._patience.until_done(f"the listing of {source}", self.repository.files)
        wanted = self._wanted
        self._selection = select(listed, source, wanted.load_format, wanted.purpose, pickles)
        pickles.require((file.path for file in self._selection.weights), source)

    def run(self, before_weights: Callable[[Path], None] = lambda _folder: None) -> Path:
        """The snapshot's folder, with every file of the commit that vLLM needs, verified by hash.

        `before_weights` is called with that folder when it contains everything but weights; it may
        raise `MistakeError`.
        """
        with self.store.lock(self._progress):
            if self._is_done():
                self._progress.report(
                    "already downloaded and verified; sizes and times are unchanged"
                )
                before_weights(self.store.snapshot)
            else:
                if self._selection is None:
                    self.plan()
                if self._selection is not None:
                    self._run(self._selection, before_weights)
        return self.store.snapshot

    def _is_done(self) -> bool:
        return not self._verify and self.store.is_complete()

    def _run(self, selection: Selection, before_weights: Callable[[Path], None]) -> None:
        files = [*selection.described, *selection.weights]
        self.store.remove_abandoned(files, time.time())
        needed = self.store.missing(files)
        self.store.require_room(needed)
        self._progress.report(
            f"{self.repository.source} at {self.repository.revision}: {len(files)} files, "
            f"{amount(sum(file.size for file in files))}, {amount(needed)} to download"
        )
        for folder, size in sorted(selection.left_out.items()):
            self._progress.report(f"left out: {folder} ({amount(size)}), which vLLM does not load")
        self._obtain_all(selection.described)
        before_weights(self.store.snapshot)
        weights = inspect.indexed(self.store.snapshot, selection)
        self._obtain_all(weights)
        self.store.finish([*selection.described, *weights])

    def _obtain_all(self, files: Sequence[RemoteFile]) -> None:
        unread = [f for f in files if self._verify or not self.store.is_verified(f.blob)]
        self._progress.start(sum(file.size for file in unread))
        for file in files:
            if file in unread:
                self._obtain(file)
            self.store.link(file)

    def _obtain(self, file: RemoteFile) -> None:
        blob, partial = self.store.blob(file), self.store.partial(file)
        if blob.exists():
            if matches(blob, file, self._progress):
                self.store.record(file)
                return
            self._progress.report(
                f"{file.path}: the local file differs from the hub's; downloading it again"
            )
            self._progress.add(-file.size)
            blob.unlink()
        try:
            fetch(self.repository, file, partial, self._progress, self._patience)
        except WrongContentError as error:
            self._progress.report(f"{error} Retrying once.")
            fetch(self.repository, file, partial, self._progress, self._patience)
        self.store.keep(file)


def download(
    model: Wanted | None,
    extras: Sequence[Wanted],
    into: Into,
    *,
    before_weights: Callable[[Path], None] = lambda _folder: None,
    before_extra: Callable[..., None] = lambda _folder, source: None,
) -> Path | None:
    """The model's folder, once it and all `extras` are complete. `before_weights` and, with its
    repository, `before_extra` are called when only weights are missing, and may raise
    `MistakeError`.

    All listings come first, so that a wrong name costs nothing. No two locks are held at once, as
    Jobs may name each other's repositories.
    """
    main = Download(model, into) if model is not None else None
    others = [Download(each, into) for each in extras]
    for each in ([main] if main else []) + others:
        each.plan()
    folder = main.run(before_weights) if main else None
    for each in others:
        each.run(partial(before_extra, source=each.repository.source))
        each.store.become_main()
    return folder
