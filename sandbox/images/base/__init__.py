"""Builds the stand-in for the image rayproject/ray from Debian packages."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from sandbox.images import build, registry
from toolchain.errors import CommandError

FOLDER = Path(__file__).parent
SUITE = "bookworm"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))


def packages() -> list[str]:
    """The names of the Debian packages in the stand-in."""
    lines = (FOLDER / "packages.txt").read_text().splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


def reference(registry_name: str) -> str:
    """The tag is a hash of the content: packages, Dockerfile and the host's certificates.

    Debian's updates do not change it; after `make sandbox-down PURGE=1`, the next start installs
    them.
    """
    content = hashlib.sha256()
    for path in (FOLDER / "packages.txt", FOLDER / "Dockerfile", CERTIFICATES):
        content.update(path.read_bytes())
    return f"{registry_name}/rayline/ray-base:{SUITE}-{content.hexdigest()[:12]}"


def _mirrors() -> list[str]:
    """The host's own Debian sources if its suite is the same; otherwise none, for the default."""
    for path in SOURCES:
        if path.is_file() and SUITE in path.read_text():
            return [str(path)]
    return []


def ensure(image: str, buildctl: Path, log: Path) -> bool:
    """Build and push the stand-in if it is missing, in about a minute; True if it was built."""
    if registry.digest(image) is not None:
        return False
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rayline-base-") as folder:
        context = Path(folder)
        command = [
            "mmdebstrap",
            "--mode=root",
            "--variant=minbase",
            f"--include={','.join(packages())}",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            SUITE,
            str(context / "rootfs.tar"),
            *_mirrors(),
        ]
        with log.open("ab") as stream:
            done = subprocess.run(command, stdout=stream, stderr=stream, check=False)
        if done.returncode:
            raise CommandError(
                f"The base image's Debian could not be created: `{' '.join(command[:3])} ...` "
                f"ended with exit code {done.returncode}.",
                f"Log: {log}",
            )
        shutil.copy(FOLDER / "Dockerfile", context)
        shutil.copy(CERTIFICATES, context)
        return build.ensure(image, context, buildctl, log)
