"""The steps of a download, in order."""

import time
from pathlib import Path

from app.download.cache import ModelCache
from app.download.errors import WrongContentError
from app.download.hub import RemoteFile, Repository
from app.download.progress import Progress, amount
from app.download.selection import select
from app.download.transfer import fetch, matches


def download(
    repository: Repository, cache: Path, progress: Progress, *, verify: bool = False
) -> Path:
    """The snapshot's folder, with every file of the commit that vLLM needs, verified by hash.

    A verified model is neither requested nor read again, unless `verify` is set. Raises
    `DownloadError`; the received part is kept for the next run.
    """
    store = ModelCache(cache, repository.source, repository.revision)
    with store.lock(progress):
        if not verify and store.is_complete():
            progress.report("already downloaded and verified; sizes and times are unchanged")
            return store.snapshot
        files = select(repository.files(), repository.source)
        store.remove_abandoned(files, time.time())
        needed = store.missing(files)
        store.require_room(needed)
        unread = [f for f in files if verify or not store.is_verified(f.blob)]
        progress.report(
            f"{repository.source} at {repository.revision}: {len(files)} files, "
            f"{amount(sum(file.size for file in files))}, {amount(needed)} to download"
        )
        progress.start(sum(file.size for file in unread))
        for file in files:
            _obtain(repository, store, file, progress, read=file in unread)
            store.link(file)
        store.finish(files)
    return store.snapshot


def _obtain(
    repository: Repository, store: ModelCache, file: RemoteFile, progress: Progress, *, read: bool
) -> None:
    if not read:
        return
    blob = store.blob(file)
    if blob.exists():
        if matches(blob, file, progress):
            store.record(file)
            return
        progress.report(f"{file.path}: the local file differs from the hub's; downloading it again")
        progress.add(-file.size)
        blob.unlink()
    try:
        fetch(repository, file, store.partial(file), progress)
    except WrongContentError as error:
        progress.report(f"{error} Retrying once.")
        fetch(repository, file, store.partial(file), progress)
    store.keep(file)
