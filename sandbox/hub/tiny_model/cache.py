"""The cache of trained models: one folder per content of the sources, so each is trained once."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = ("page.md", "chat_template.jinja", "train.py")


def fingerprint() -> str:
    """16 hex digits over all that the weights depend on, except the versions of the libraries."""
    digest = hashlib.sha256()
    for name in SOURCES:
        data = (HERE / name).read_bytes()
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]


def ensure(cache: Path) -> Path:
    """The model's folder in `cache`; trains the model first if needed (30 s on two cores).

    The folder is filled under another name and then renamed, so that it is always complete, even
    when two test runs start at once or one is interrupted.
    """
    folder = cache / f"tiny-llama-{fingerprint()}"
    if folder.is_dir():
        return folder
    from sandbox.hub.tiny_model.train import make

    cache.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="tiny-llama-unfinished-", dir=cache))
    try:
        make(unfinished)
        unfinished.chmod(0o755)
        try:
            os.rename(unfinished, folder)
        except OSError:
            if not folder.is_dir():  # otherwise another run was faster
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder
