"""Builds a tool from the sources that its folder pins."""

from collections.abc import Iterable
from pathlib import Path

from toolchain.assemble import Workspace
from toolchain.errors import UserError
from toolchain.golang import (
    Go,
    go_command,
    go_environment,
    installed_version,
    parse_version,
    required_version,
)
from toolchain.model import BUILD_FLAGS, Tool
from toolchain.settings import Settings


def find_go(tools: Iterable[Tool], settings: Settings) -> str:
    """The go command, new enough for all of `tools`; otherwise a UserError with the remedies."""
    tools = list(tools)
    needed = max(
        (
            required_version((settings.sources / tool.folder / "go.mod").read_text("utf-8"))
            for tool in tools
        ),
        key=parse_version,
    )
    go = go_command(settings.environ)
    version = installed_version(go, settings.environ) if go else ""
    if go and parse_version(version) >= parse_version(needed):
        return go
    found = f"{go} is {version or 'an unknown version'}" if go else "there is none on PATH"
    instead = [tool for tool in tools if tool.can_be_on_path]
    ways = "; ".join(f"{', '.join(t.binaries)} ({t.version})" for t in instead)
    raise UserError(
        f"Go {needed} or newer is needed to build {', '.join(t.name for t in tools)}, and {found}",
        hint="install Go from https://go.dev/dl/"
        + (f", or put these on PATH, and they need not be built: {ways}" if ways else ""),
    )


def build_arguments(tool: Tool, into: Path) -> list[str]:
    """The arguments of the one `go build` that writes all binaries of `tool` to the folder `into`.

    go names its output after the package, which is not always the binary's name (`server` for
    etcd). It takes a file name for a single package only; several must have the right names.
    """
    packages = [binary.package for binary in tool.compiled]
    output = f"{into}/{tool.compiled[0].name}" if len(packages) == 1 else f"{into}/"
    return ["build", *BUILD_FLAGS, "-ldflags", tool.ldflags, "-o", output, *packages]


def build(tool: Tool, settings: Settings, go: str, staging: Path, log: Path) -> Path:
    """Build `tool` below `staging` and return its folder with `bin` and, for some tools, `share`.

    Raises CommandError with the end of the log. go's temporary files are in `staging` too: they
    are large, and a killed build must not leave them in /tmp.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("", encoding="utf-8")
    out, scratch = staging / "out", staging / "go"
    (out / "bin").mkdir(parents=True)
    scratch.mkdir()
    environ = go_environment(settings.cache, settings.arch, settings.environ)
    runner = Go(go, {**environ, "GOTMPDIR": str(scratch)}, tool.label, log)
    workspace = Workspace(settings.sources, staging / "src", runner)
    folder = workspace.assemble(tool.folder, tool.sources)
    arguments = build_arguments(tool, out / "bin")
    runner.run(arguments, folder)
    for extra in tool.extras:
        workspace.copy(extra, out)
    missing = [name for name in tool.binaries if not (out / "bin" / name).is_file()]
    if missing:
        raise runner.failure("go build", f"it did not write {', '.join(missing)}")
    return out
