"""Finds out whether a binary runs on this machine and has the required version."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from toolchain.model import Probe, Tool


def matches(output: str, expect: tuple[str, ...]) -> bool:
    """Whether a line is one of `expect`, alone or followed by a word.

    So `v1.34.3` matches neither `v1.34.30` nor `v1.34.3-rc.1`. An entry that ends in a
    space stands for any continuation.
    """
    return any(
        line == text or line.startswith(text if text.endswith(" ") else f"{text} ")
        for line in (raw.rstrip() for raw in output.splitlines())
        for text in expect
    )


def passes(probe: Probe, binary: Path, environ: Mapping[str, str], timeout: float) -> bool:
    """Run `binary` as in `probe`; False also if it does not start or does not end."""
    environment = {**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        result = subprocess.run(
            [binary, *probe.args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return matches(result.stdout.decode(errors="replace"), probe.expect)


def find_on_path(
    tool: Tool, environ: Mapping[str, str], ignore: Path, timeout: float
) -> dict[str, Path] | None:
    """All binaries of `tool` on PATH at its exact version; None if one is missing or different.

    Binaries without a probe must be beside the first that has one, as in Pulumi's unpacked
    archive. Links into `ignore`, the cache, do not count: they would keep an old build in use
    after its sources changed.
    """
    if not tool.can_be_on_path:
        return None
    probed: dict[str, Path] = {}
    for probe in tool.probes:
        found = shutil.which(probe.binary, path=environ.get("PATH", os.defpath))
        if found is None or Path(found).resolve().is_relative_to(ignore.resolve()):
            return None
        probed[probe.binary] = Path(found).absolute()
    beside = probed[tool.probes[0].binary].parent
    binaries = {name: probed.get(name, beside / name) for name in tool.binaries}
    if not all(os.access(path, os.X_OK) for path in binaries.values()):
        return None
    if not all(passes(p, probed[p.binary], environ, timeout) for p in tool.probes):
        return None
    return binaries
