"""The real Prometheus: from PATH, the cache, or Debian's package, unpacked and not installed.

`python -m tests.infra.monitoring.binaries` provides it.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from toolchain.paths import cache_root

NAMES = ("prometheus", "promtool")
PACKAGE = "prometheus"


def folder() -> Path:
    """Where Debian's package is unpacked."""
    return cache_root() / "debian" / PACKAGE


def present() -> dict[str, Path] | None:
    """Binary to path, as far as they are on this machine."""
    found = {}
    for name in NAMES:
        unpacked = folder() / "usr" / "bin" / name
        path = str(unpacked) if unpacked.exists() else shutil.which(name)
        if path is None:
            return None
        found[name] = Path(path)
    return found


def provide() -> dict[str, Path]:
    """The same, downloaded with apt-get (19 MB) if it is missing; CalledProcessError without."""
    if (found := present()) is not None:
        return found
    folder().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder().parent) as here:
        subprocess.run(["apt-get", "download", "--quiet", PACKAGE], cwd=here, check=True)
        (package,) = Path(here).glob("*.deb")
        unpacked = Path(here) / "unpacked"
        subprocess.run(["dpkg-deb", "--extract", str(package), str(unpacked)], check=True)
        unpacked.rename(folder())
    found = present()
    assert found is not None
    return found


if __name__ == "__main__":
    print(*provide().values(), sep="\n")
