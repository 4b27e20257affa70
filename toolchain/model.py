"""The model of a tool: its binaries, the ways to obtain them, and its cache key."""

import hashlib
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from toolchain.errors import UserError
from toolchain.paths import CHECKOUT

SOURCES = CHECKOUT / "toolchain" / "sources"
"""The Go modules that pin the sources to build; a tool's `folder` is relative to it."""

BUILD_FLAGS = ("-trimpath", "-mod=readonly", "-buildvcs=false", "-pgo=off")
"""No paths, no git data and no profiles, so that equal sources give equal binaries."""

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def host_arch(system: str = "", machine: str = "") -> str:
    """This machine's architecture by Go's name, or a UserError if no tool exists for it."""
    system, machine = system or platform.system(), machine or platform.machine()
    arch = _ARCHITECTURES.get(machine.lower())
    if system != "Linux" or arch is None:
        raise UserError(
            f"rayline's tools need Linux on x86-64 or ARM64, and this is {system} on {machine}",
            hint="use a Linux virtual machine",
        )
    return arch


@dataclass(frozen=True)
class Probe:
    """Running `binary` with `args` must print a line that begins with one of `expect`.

    `identifies` is False for binaries that do not print their version (Pulumi's plug-ins). Running
    them proves that a download works on this machine, but not which version PATH has.
    """

    binary: str
    args: tuple[str, ...]
    expect: tuple[str, ...]
    identifies: bool = True


@dataclass(frozen=True)
class Binary:
    """`name` is compiled from `package`, an import path or `./folder` of the tool's module."""

    name: str
    package: str


@dataclass(frozen=True)
class ModuleFiles:
    """Files of a Go module, copied from the verified module cache.

    `pinned_in` is the folder below SOURCES whose go.mod and go.sum fix the module's version and
    content. `pattern` is a glob from the module's root; a file is copied to `into`, plus its path
    without `strip`.
    """

    pinned_in: str
    module: str
    pattern: str
    into: str
    strip: str = ""
    executable: bool = False


@dataclass(frozen=True)
class Overlay:
    """A file of the tool's own folder that replaces `target` in the assembled sources."""

    source: str
    target: str


@dataclass(frozen=True)
class Download:
    """A vendor's binary or archive, and the address where the vendor publishes its SHA-256.

    Both addresses may contain `{arch}` (amd64, arm64) and `{x64}` (x64, arm64). The archive
    contains `binaries`; if the address ends in the only name, the file itself is the binary.
    """

    url: str
    checksum_url: str
    binaries: tuple[str, ...]


@dataclass(frozen=True)
class Tool:
    """One unit that is found, downloaded or built as a whole."""

    name: str
    version: str
    folder: str
    compiled: tuple[Binary, ...]
    stamps: tuple[tuple[str, str], ...] = ()
    """Go variables that the linker sets; most tools print their version from one."""
    sources: tuple[ModuleFiles | Overlay, ...] = ()
    """Added to the scratch copy of `folder` before the build, in this order."""
    extras: tuple[ModuleFiles, ...] = ()
    """Files beside the binaries in the tool's folder: scripts in `bin`, data in `share`."""
    downloads: tuple[Download, ...] = ()
    probes: tuple[Probe, ...] = ()
    optional: bool = False
    """Whether only rayline's own tests, or an option of the sandbox, run it, so that nobody else
    has to wait for it."""

    @property
    def label(self) -> str:
        """Name and version, for messages."""
        return f"{self.name} {self.version}"

    @property
    def binaries(self) -> tuple[str, ...]:
        """Everything in the tool's `bin`: compiled binaries, and scripts from modules."""
        scripts = tuple(Path(e.pattern).name for e in self.extras if e.into == "bin")
        return tuple(binary.name for binary in self.compiled) + scripts

    @property
    def can_be_on_path(self) -> bool:
        """Whether each binary prints its version and no data files belong to the tool."""
        return (
            bool(self.probes)
            and all(probe.identifies for probe in self.probes)
            and all(extra.into == "bin" for extra in self.extras)
        )

    @property
    def ldflags(self) -> str:
        """Omits symbol tables (half the size) and sets the stamps."""
        return " ".join(("-s -w", *(f"-X {name}={value}" for name, value in self.stamps)))

    def key(self, sources: Path = SOURCES, arch: str = "") -> str:
        """Short hash over everything that determines the binaries; the name of the cache's folder.

        Go's own release is deliberately omitted: the pinned sources stay equal, and an upgrade of
        Go must not cost everybody a build of twenty minutes.
        """
        digest = hashlib.sha256()
        recipe = {
            "arch": arch or host_arch(),
            "flags": BUILD_FLAGS,
            "ldflags": self.ldflags,
            "compiled": [asdict(binary) for binary in self.compiled],
            "sources": [asdict(step) for step in self.sources],
            "extras": [asdict(extra) for extra in self.extras],
        }
        digest.update(json.dumps(recipe, sort_keys=True).encode())
        steps = (*self.sources, *self.extras)
        pins = {step.pinned_in for step in steps if isinstance(step, ModuleFiles)}
        for folder in sorted({self.folder, *pins}):
            for path in source_files(sources / folder):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(
                    f"{folder}/{path.relative_to(sources / folder)}\0{content}\n".encode()
                )
        return digest.hexdigest()[:16]


def source_files(folder: Path) -> Iterator[Path]:
    """The files of a tool's folder in a fixed order, without the hidden files of editors."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path
