"""Folders of links to binaries."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path


def key_of_links(binaries: Mapping[str, Path]) -> str:
    """A cache key for binaries on PATH, which changes with the path of any of them."""
    listing = "\n".join(f"{name}={path}" for name, path in sorted(binaries.items()))
    return f"path-{hashlib.sha256(listing.encode()).hexdigest()[:16]}"


def make_links(binaries: Mapping[str, Path], folder: Path) -> None:
    """Fill `folder`, created if missing, with one link per binary."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in binaries.items():
        (folder / name).symlink_to(path)


def link_farm(tools: dict[str, Path], directory: Path) -> None:
    """Replace `directory`: one link per binary of `tools`, the result of `ensure`.

    The new folder is filled beside the old one and takes its place by two renames, so that a
    reader finds all links or, for an instant, no folder, but never only some links.
    """
    binaries: dict[str, Path] = {}
    for tool, folder in tools.items():
        for path in sorted((folder / "bin").iterdir()):
            if path.name in binaries:
                raise ValueError(f"{tool} and another tool both provide {path.name}")
            binaries[path.name] = path
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".links-", dir=directory.parent) as scratch:
        fresh, old = Path(scratch, "new"), Path(scratch, "old")
        make_links(binaries, fresh)
        if directory.is_symlink() or directory.is_file():
            directory.unlink()
        if directory.exists():
            directory.rename(old)
        fresh.rename(directory)
        shutil.rmtree(old, ignore_errors=True)
