"""The hub's image: the tiny model and the server, nothing else."""

import hashlib
import re
import shutil
import tempfile
from pathlib import Path

from sandbox import paths
from sandbox.images import build

HERE = Path(__file__).parent
LIST = "app-cpu.txt"
SERVER = ("__init__.py", "hub/__init__.py", "hub/repositories.py", "hub/server.py")
"""Files of sandbox/ that run in the image."""
MODEL = Path("sandbox", "hub", "tiny_model")
"""The package that trains the model, in a checkout."""


def reference(registry: str, base: str) -> str:
    """The tag names the content: the model's sources, its packages, the server, the base image.

    `app/` is in the stage that trains, but the model does not depend on it.
    """
    digest = hashlib.sha256(base.encode())
    for path in [
        paths.CHECKOUT / "requirements" / LIST,
        HERE / "Dockerfile",
        *sorted(_model_sources(paths.CHECKOUT)),
        *(paths.CHECKOUT / "sandbox" / name for name in SERVER),
    ]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(paths.CHECKOUT)} {len(content)}\n".encode() + content)
    return f"{registry}/rayline/hub:{digest.hexdigest()[:16]}"


def _model_sources(checkout: Path) -> list[Path]:
    return [path for path in (checkout / MODEL).iterdir() if path.is_file()]


def dockerfile(service: str, ours: str) -> str:
    """`ours` after `service`, whose steps are then the same as its own and found in the cache."""
    stages = len(re.findall(r"^FROM\s", service, re.MULTILINE))
    return f"{service}\n{ours.replace('@SERVICE@', str(stages - 1))}"


def ensure(image: str, base: str, buildctl: Path, log: Path) -> bool:
    """Build and push the image once; True when it was not there yet.

    Half a minute where the service's image was built before; otherwise its packages come first.
    """
    with tempfile.TemporaryDirectory(prefix="rayline-hub-") as folder:
        context = Path(folder)
        _fill(context)
        arguments = {"BASE": base, "REQUIREMENTS": LIST, "SOURCE_DATE_EPOCH": "0"}
        return build.ensure(image, context, buildctl, log, arguments)


def _fill(context: Path) -> None:
    """The build's context: what app/Dockerfile wants of the checkout, and what ours does."""
    ignored = shutil.ignore_patterns("__pycache__", "Dockerfile*")
    shutil.copytree(paths.CHECKOUT / "app", context / "app", ignore=ignored)
    (context / "requirements").mkdir()
    for path in (paths.CHECKOUT / "requirements").glob("app-*.txt"):
        shutil.copy2(path, context / "requirements")
    model = context / MODEL
    shutil.copytree(paths.CHECKOUT / MODEL, model, ignore=ignored)
    for name in SERVER:
        (context / "sandbox" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(paths.CHECKOUT / "sandbox" / name, context / "sandbox" / name)
    service = (paths.CHECKOUT / "app" / "Dockerfile").read_text()
    joined = dockerfile(service, (HERE / "Dockerfile").read_text())
    (context / "Dockerfile").write_text(joined)
