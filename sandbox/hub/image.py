"""Builds the model hub's image: the tiny model and the server, nothing else."""

import hashlib
import re
import shutil
import tempfile
from pathlib import Path

from sandbox.images import build
from toolchain.paths import CHECKOUT

HERE = Path(__file__).parent
REQUIREMENTS = "app-cpu.txt"
PACKAGES = ("sandbox/__init__.py", "sandbox/hub/__init__.py")
SERVER = (*PACKAGES, "sandbox/hub/repositories.py", "sandbox/hub/server.py")
"""The files of the checkout that run in the image."""


def model_sources() -> list[str]:
    """The files of the checkout that train the model; none of them is in the image."""
    folder = CHECKOUT / "sandbox" / "hub" / "tiny_model"
    files = [path for path in folder.iterdir() if path.is_file()]
    return [*PACKAGES, *sorted(path.relative_to(CHECKOUT).as_posix() for path in files)]


def reference(registry: str, base: str) -> str:
    """The tag is a hash of the content: base image, model sources and their packages, server.

    `app/` is in the stage that trains, but the model does not depend on it.
    """
    digest = hashlib.sha256(base.encode())
    names = {f"requirements/{REQUIREMENTS}", "sandbox/hub/Dockerfile", *model_sources(), *SERVER}
    for name in sorted(names):
        content = (CHECKOUT / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"{registry}/rayline/hub:{digest.hexdigest()[:16]}"


def dockerfile(service: str, ours: str) -> str:
    """`ours` after `service`, so that BuildKit finds the steps of `service` in its cache."""
    stages = len(re.findall(r"^FROM\s", service, re.MULTILINE))
    return f"{service}\n{ours.replace('@SERVICE@', str(stages - 1))}"


def ensure(image: str, base: str, buildctl: Path, log: Path) -> bool:
    """Build and push the image if it is missing; True if it was built.

    Takes half a minute after a build of the service's image; otherwise its packages come first.
    """
    with tempfile.TemporaryDirectory(prefix="rayline-hub-") as folder:
        context = Path(folder)
        fill(context)
        arguments = {"BASE": base, "REQUIREMENTS": REQUIREMENTS, "SOURCE_DATE_EPOCH": "0"}
        return build.ensure(image, context, buildctl, log, arguments)


def fill(context: Path) -> None:
    """Write the build's context.

    `app` and `requirements` are for app/Dockerfile, `model` for the stage that trains, and `server`
    for the image.
    """
    ignored = shutil.ignore_patterns("__pycache__", "Dockerfile*")
    shutil.copytree(CHECKOUT / "app", context / "app", ignore=ignored)
    (context / "requirements").mkdir()
    for path in (CHECKOUT / "requirements").glob("app-*.txt"):
        shutil.copy2(path, context / "requirements")
    for part, names in (("model", model_sources()), ("server", SERVER)):
        for name in names:
            target = context / part / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, target)
    service = (CHECKOUT / "app" / "Dockerfile").read_text()
    joined = dockerfile(service, (HERE / "Dockerfile").read_text())
    (context / "Dockerfile").write_text(joined)
