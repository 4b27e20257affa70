"""What a download does, in order."""

import time
from pathlib import Path

from app.download.errors import WrongContentError
from app.download.hub import Hub, RemoteFile
from app.download.progress import Progress, amount
from app.download.selection import choose
from app.download.store import Store
from app.download.transfer import fetch, matches


def download(hub: Hub, cache: Path, progress: Progress, *, verify: bool = False) -> Path:
    """The snapshot's folder, with every file of the commit that vLLM needs in it, hash for hash.

    A model that is here already is not asked for and not read again, unless `verify`. Raises
    `DownloadError`; what has arrived is kept for the next run.
    """
    store = Store(cache, hub.source, hub.revision)
    with store.lock(progress):
        if not verify and store.is_complete():
            progress.say("already here and verified; sizes and times are unchanged")
            return store.snapshot
        files = choose(hub.files(), hub.source)
        store.remove_abandoned(files, time.time())
        needed = store.missing(files)
        store.require_room(needed)
        unread = [f for f in files if verify or not store.is_verified(f.blob)]
        progress.say(
            f"{hub.source} at {hub.revision}: {len(files)} files, "
            f"{amount(sum(file.size for file in files))}, {amount(needed)} to download"
        )
        progress.start(sum(file.size for file in unread))
        for file in files:
            _obtain(hub, store, file, progress, read=file in unread)
            store.link(file)
        store.finish(files)
    return store.snapshot


def _obtain(hub: Hub, store: Store, file: RemoteFile, progress: Progress, *, read: bool) -> None:
    if not read:
        return
    blob = store.blob(file)
    if blob.exists():
        if matches(blob, file, progress):
            store.record(file)
            return
        progress.say(f"{file.path}: what is here is not what the hub has; downloading it again")
        progress.add(-file.size)
        blob.unlink()
    try:
        fetch(hub, file, store.partial(file), progress)
    except WrongContentError as error:
        progress.say(f"{error} Trying once more.")
        fetch(hub, file, store.partial(file), progress)
    store.keep(file)
