"""Images that contain one static binary each: pause, CoreDNS, the KubeRay operator."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.images import build


@dataclass(frozen=True)
class BinaryImage:
    """An image with one tool's binary and nothing else; its tag is the tool's cache key."""

    tool: str
    binary: str
    user: str = "65532:65532"

    def reference(self, registry: str, key: str) -> str:
        return f"{registry}/rayline/{self.binary}:{key}"


PAUSE = BinaryImage("pause", "pause")
# Root, because the pod leaves net.ipv4.ip_unprivileged_port_start alone and DNS is on port 53.
COREDNS = BinaryImage("coredns", "coredns", user="0:0")
OPERATOR = BinaryImage("kuberay-operator", "kuberay-operator")


def ensure(image: BinaryImage, reference: str, tool: Path, buildctl: Path, log: Path) -> bool:
    """Build `image` from the folder `tool` and push it if it is missing; True if it was built."""
    with tempfile.TemporaryDirectory(prefix="rayline-image-") as folder:
        context = Path(folder)
        source = tool / "bin" / image.binary
        try:
            os.link(source.resolve(), context / image.binary)
        except OSError:  # another file system
            shutil.copy2(source, context / image.binary)
        (context / "Dockerfile").write_text(
            f"FROM scratch\nCOPY {image.binary} /{image.binary}\n"
            f'USER {image.user}\nENTRYPOINT ["/{image.binary}"]\n'
        )
        return build.ensure(reference, context, buildctl, log)
