"""Runs the go command: its version, its environment, its log."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain import gocache
from toolchain.errors import CommandError

_TAIL = 15
_MIB = 1 << 20


def go_command(environ: Mapping[str, str]) -> str | None:
    """The go command on PATH, or None."""
    return shutil.which("go", path=environ.get("PATH", os.defpath))


def parse_version(text: str) -> tuple[int, ...]:
    """`go1.26.8` or `1.26` as numbers; empty for anything but a release of Go."""
    match = re.match(r"(?:go)?(\d+(?:\.\d+)*)", text.strip())
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def required_version(go_mod: str) -> str:
    """The oldest Go that a go.mod file accepts."""
    match = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    return match[1] if match else "1.26"


def installed_version(go: str, environ: Mapping[str, str]) -> str:
    """The output of `go env GOVERSION`, without downloading a toolchain; empty where it fails."""
    try:
        result = subprocess.run(
            [go, "env", "GOVERSION"],
            env={**environ, "GOTOOLCHAIN": "local"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return result.stdout.strip()


def memory_limit(total_bytes: int, cpus: int) -> int:
    """How many MiB one compiler may use before it collects garbage.

    Without collection a build takes 8 % less time. As many compilers run as there are
    processors, so each gets its part of half the memory, at most 3 GiB.
    """
    return max(256, min(3072, total_bytes // _MIB // 2 // max(cpus, 1)))


def go_environment(cache: Path, arch: str, base: Mapping[str, str]) -> dict[str, str]:
    """The user's environment, with fixed values for all that changes the result or its place.

    GOPROXY, GONOSUMDB and similar variables remain the user's. Both of Go's caches are inside
    rayline's cache, and the module cache is writable, so that removing one folder undoes
    everything. GOFLAGS is set: if it were empty, Go would read the user's `go env -w` file.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        **base,
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOAMD64": "v1",
        "GOARCH": arch,
        "GOOS": "linux",
        "GOCACHE": str(gocache.folder(cache) / "build"),
        "GOMODCACHE": str(gocache.folder(cache) / "mod"),
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOGC": "off",
        "GOMEMLIMIT": f"{memory_limit(memory, os.cpu_count() or 1)}MiB",
    }


@dataclass(frozen=True)
class Go:
    """The go command, running for one tool; its output goes to `log`."""

    command: str
    environ: Mapping[str, str]
    tool: str
    log: Path

    def run(self, arguments: Sequence[str], folder: Path) -> str:
        """Run `go <arguments>` in `folder` and return what it prints; CommandError if it fails."""
        argv = [self.command, *arguments]
        shown = shlex.join(["go", *arguments])
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ cd {shlex.quote(str(folder))} && {shown}\n")
            log.flush()
            try:
                result = subprocess.run(
                    argv,
                    cwd=folder,
                    env=dict(self.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    check=False,
                )
            except OSError as error:
                raise self.failure(shown, str(error)) from None
            log.write(result.stdout)
        if result.returncode != 0:
            raise self.failure(shown, f"exit code {result.returncode}")
        return result.stdout

    def module(self, folder: Path, module: str) -> Path:
        """The folder in the module cache of `module`, at the version that `folder` pins.

        `go mod download` would add a missing hash to go.sum. Here that is a failure, because
        files are copied only from modules whose content the checkout pins.
        """
        pinned = (folder / "go.sum").read_text(encoding="utf-8")
        arguments = ["mod", "download", "-json", module]
        found = json.loads(self.run(arguments, folder))
        entry = f"{found['Path']} {found['Version']} {found['Sum']}"
        if entry not in pinned.splitlines():
            shown = shlex.join(["go", *arguments])
            raise self.failure(shown, f"go.sum has no line: {entry}")
        return Path(found["Dir"])

    def failure(self, shown: str, why: str) -> CommandError:
        """The error for the user: tool, command, cause, the log's path and its end."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
        tail = "\n".join(f"    {line}" for line in lines)
        return CommandError(
            f"{self.tool} could not be built: `{shown}` failed ({why}).\n  Log: {self.log}\n{tail}",
            hint="Go loads modules through GOPROXY; `go env GOPROXY` shows your setting",
        )
