"""Downloads osv.dev's export, one zip file per ecosystem
(https://google.github.io/osv.dev/data/#data-dumps)."""

import os
import zipfile
from pathlib import Path

from supply.osv.check import ECOSYSTEMS
from toolchain.fetch import DownloadError, Fetcher

VARIABLE = "RAYLINE_OSV_EXPORT"
"""The environment's variable for the address of a mirror, with `{ecosystem}` in it."""
EXPORT = "https://storage.googleapis.com/osv-vulnerabilities/{ecosystem}/all.zip"
CONNECT_SECONDS, STALL_SECONDS = 20.0, 60.0


class FetchError(Exception):
    """The export could not be downloaded whole."""


def fetch(folder: Path) -> list[Path]:
    """The export of every ecosystem, in `folder`. Raises FetchError; a file that is there is never
    a part of one."""
    export = os.environ.get(VARIABLE) or EXPORT
    if "{ecosystem}" not in export:
        raise FetchError(f"{VARIABLE} is {export!r}; it must contain {{ecosystem}}: {EXPORT}")
    folder.mkdir(parents=True, exist_ok=True)
    fetcher = Fetcher(CONNECT_SECONDS, STALL_SECONDS)
    done = []
    for ecosystem in ECOSYSTEMS:
        target, partial = folder / f"{ecosystem}.zip", folder / f".{ecosystem}.zip.part"
        url = export.replace("{ecosystem}", ecosystem)
        try:
            fetcher.save(url, partial)
            with zipfile.ZipFile(partial) as archive:
                broken = archive.testzip()
            if broken is not None:
                raise zipfile.BadZipFile(f"{broken} is damaged")
        except (DownloadError, zipfile.BadZipFile, OSError) as error:
            partial.unlink(missing_ok=True)
            raise FetchError(f"{url} could not be downloaded: {error}") from None
        os.replace(partial, target)
        done.append(target)
    return done
