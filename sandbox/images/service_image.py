"""Builds the service's image as the Pulumi program does, and inspects images in a registry."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from sandbox import paths
from sandbox.images import registry
from sandbox.node import layout
from toolchain.paths import CHECKOUT

COMPRESSION = "compression=zstd,compression-level=1,oci-mediatypes=true"


@dataclass(frozen=True)
class Build:
    """The result of one BuildKit build: exit code, output and duration."""

    code: int
    log: str
    seconds: float


def build(
    context: Path,
    reference: str,
    base: str,
    *,
    requirements: str = "app-cpu.txt",
    secret: Path | None = None,
    compression: str = COMPRESSION,
) -> Build:
    """Build `app/Dockerfile` of the checkout `context` and push it as `reference`."""
    options = [
        f"--opt=build-arg:BASE={base}",
        f"--opt=build-arg:REQUIREMENTS={requirements}",
        "--opt=build-arg:SOURCE_DATE_EPOCH=0",
        *((f"--secret=id=pip.conf,src={secret}",) if secret else ()),
        f"--output=type=image,name={reference},push=true,{compression}",
    ]
    return buildctl(context, context / "app", options)


def buildctl(context: Path, dockerfile: Path, options: Sequence[str]) -> Build:
    """Run BuildKit on the Dockerfile in the folder `dockerfile`."""
    command = [
        str(paths.BIN / "buildctl"),
        f"--addr=unix://{layout.BUILDKIT_SOCKET}",
        "build",
        "--progress=plain",
        "--frontend=dockerfile.v0",
        f"--local=context={context}",
        f"--local=dockerfile={dockerfile}",
        *options,
    ]
    begun = time.monotonic()
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"},
        timeout=1800,
        check=False,
    )
    return Build(done.returncode, done.stdout, time.monotonic() - begun)


def checkout(folder: Path) -> Path:
    """Copy the image's sources to `folder`, with other file times and under another umask."""
    for name in ("app", "requirements"):
        shutil.copytree(
            CHECKOUT / name,
            folder / name,
            copy_function=shutil.copyfile,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for path in sorted(folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() or path.suffix == ".sh" else 0o600)
        os.utime(path, (1e9, 1e9))
    return folder


@dataclass(frozen=True)
class Pushed:
    """An image as the registry has it."""

    repository: str
    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]

    @property
    def reference(self) -> str:
        """The image by digest, as pods refer to it."""
        return f"{self.repository}@{self.digest}"

    @property
    def layers(self) -> list[str]:
        return [layer["digest"] for layer in self.manifest["layers"]]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes by digest: layers, configuration and the manifest itself."""
        blobs = [*self.manifest["layers"], self.manifest["config"]]
        sizes = {blob["digest"]: int(blob["size"]) for blob in blobs}
        return sizes | {self.digest: len(json.dumps(self.manifest))}

    def added_to(self, other: "Pushed") -> int:
        """Bytes that a push of this image sends to a registry that already has `other`."""
        return sum(size for digest, size in self.sizes.items() if digest not in other.sizes)

    def blob(self, digest: str) -> bytes:
        with self.stream(digest) as answer:
            return bytes(answer.read())

    def stream(self, digest: str) -> HTTPResponse:
        """A blob to read in pieces; packages of a GPU image do not fit into memory at once."""
        return _open(self.repository, f"blobs/{digest}")


def pushed(reference: str) -> Pushed:
    """The image that a tag refers to."""
    digest = registry.digest(reference)
    assert digest, f"{reference} is not in the registry"
    return at(f"{reference.rpartition(':')[0]}@{digest}")


def at(reference: str) -> Pushed:
    """The image of `repository@sha256:digest`."""
    repository, _, digest = reference.partition("@")
    manifest = json.loads(_get(repository, f"manifests/{digest}"))
    config = json.loads(_get(repository, f"blobs/{manifest['config']['digest']}"))
    return Pushed(repository, digest, manifest, config)


def _get(repository: str, what: str) -> bytes:
    with _open(repository, what) as answer:
        return bytes(answer.read())


def _open(repository: str, what: str) -> HTTPResponse:
    host, _, name = repository.partition("/")
    url = f"http://{host}/v2/{name}/{what}"
    request = urllib.request.Request(url, headers={"Accept": registry.MANIFEST_TYPES})
    answer: HTTPResponse = urllib.request.urlopen(request, timeout=60)
    return answer
