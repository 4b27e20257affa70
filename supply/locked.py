"""What the checkout locks: packages of requirements/, and modules of toolchain/sources/.

Only the lock files are read. What a machine has installed or built may differ from them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from toolchain.model import SOURCES
from toolchain.paths import CHECKOUT

REQUIREMENTS = CHECKOUT / "requirements"
Ecosystem = Literal["PyPI", "Go"]
"""By the names of the OSV schema (https://ossf.github.io/osv-schema/#defined-ecosystems)."""


class LockError(Exception):
    """A lock file is not as its generator writes it; the message names file and line."""


@dataclass(frozen=True, order=True)
class Package:
    """One version of one package. `hashes`: SHA-256 in hexadecimal of each file that pip accepts;
    `go_sum`: the hash of a Go module's content in go.sum's own form (h1:...)."""

    ecosystem: Ecosystem
    name: str
    version: str
    hashes: tuple[str, ...] = field(default=(), compare=False)
    go_sum: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.ecosystem})"


@dataclass(frozen=True)
class GoModule:
    """A go.mod: the modules that it locks, and those that it replaces by a folder of the checkout,
    which have no version."""

    folder: str
    packages: tuple[Package, ...]
    folders: tuple[str, ...]


def python_sets(folder: Path = REQUIREMENTS) -> dict[str, tuple[Package, ...]]:
    """The packages of every set, by the name of its file without `.txt`."""
    return {path.stem: python_set(path) for path in sorted(folder.glob("*.txt"))}


def python_set(path: Path) -> tuple[Package, ...]:
    """The packages of one set, with the hashes of their files. Packages for other platforms and
    other versions of Python are among them."""
    joined = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8"))
    found: dict[tuple[str, str], Package] = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in joined.splitlines())):
        text, *hashes = re.split(r"\s+--hash=sha256:", line)
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            raise LockError(f"{path}: {text!r} is not a requirement. Type: make lock") from None
        pinned = [each for each in requirement.specifier if each.operator == "=="]
        if len(pinned) != 1 or not hashes:
            raise LockError(f"{path}: {text!r} is not pinned with a hash. Type: make lock")
        name = canonicalize_name(requirement.name)
        package = Package("PyPI", name, pinned[0].version, tuple(sorted(hashes)))
        found[name, package.version] = package
    return tuple(sorted(found.values()))


def go_modules(sources: Path = SOURCES) -> dict[str, GoModule]:
    """Every module of the toolchain's sources that has sums, by its folder below `sources`."""
    folders = sorted(path.parent for path in sources.rglob("go.sum"))
    modules = (go_module(each, each.relative_to(sources).as_posix()) for each in folders)
    return {module.folder: module for module in modules}


def go_module(path: Path, folder: str) -> GoModule:
    """The modules that `path`/go.mod requires, after its replacements.

    Since Go 1.17 the file lists every module that the build needs
    (https://go.dev/ref/mod#graph-pruning), and may list some that it does not.
    """
    sums = _sums(path / "go.sum")
    required: dict[str, str] = {}
    replaced: dict[str, tuple[str, str]] = {}
    for directive, words in _directives(path / "go.mod"):
        if directive == "require":
            required[words[0]] = words[1]
        elif directive == "replace":
            arrow = words.index("=>")
            replaced[words[0]] = (words[arrow + 1], (words[arrow + 2 :] or [""])[0])
    packages, folders = [], []
    for name, version in required.items():
        target, target_version = replaced.get(name, (name, version))
        if not target_version:
            folders.append(name)
            continue
        go_sum = sums.get((target, target_version), "")
        packages.append(Package("Go", target, target_version, go_sum=go_sum))
    return GoModule(folder, tuple(sorted(set(packages))), tuple(sorted(folders)))


def _directives(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The directives of a go.mod, one per line of a block (https://go.dev/ref/mod#go-mod-file)."""
    block = ""
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = text.partition("//")[0].split()
        if not words:
            continue
        if block:
            if words == [")"]:
                block = ""
                continue
            words = [block, *words]
        elif words[1:] == ["("]:
            block = words[0]
            continue
        if words[0] in ("require", "replace") and len(words) < 3:
            raise LockError(f"{path}: line {number} is not a `{words[0]}` directive: {text!r}")
        yield words[0], words[1:]


def _sums(path: Path) -> dict[tuple[str, str], str]:
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {(words[0], words[1]): words[2] for words in lines if len(words) == 3}


def unique(packages: Iterable[Package]) -> tuple[Package, ...]:
    """Each package once, in order."""
    return tuple(sorted(set(packages)))
