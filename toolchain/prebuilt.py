"""The vendor's binaries: downloaded, compared with the vendor's checksum, and run once."""

import re
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from toolchain.fetch import DownloadError, Fetcher
from toolchain.model import Download, Tool
from toolchain.probe import passes

_SHA256 = re.compile(r"[0-9a-f]{64}")


def address(template: str, arch: str) -> str:
    """`template` for this architecture."""
    return template.format(arch=arch, x64={"amd64": "x64"}.get(arch, arch))


def find_checksum(text: str, filename: str) -> str | None:
    """The SHA-256 of `filename` in a vendor's list, in lower case.

    A list has `<hash>  <name>` per line, with an optional folder or `*` before the name; the file
    of a single download may contain the bare hash.
    """
    lines = [line.split() for line in text.lower().splitlines() if line.strip()]
    for fields in lines:
        if len(fields) == 2 and fields[1].lstrip("*").rpartition("/")[2] == filename.lower():
            return fields[0] if _SHA256.fullmatch(fields[0]) else None
    if len(lines) == 1 and len(lines[0]) == 1 and _SHA256.fullmatch(lines[0][0]):
        return lines[0][0]
    return None


def install(
    tool: Tool,
    arch: str,
    staging: Path,
    fetcher: Fetcher,
    environ: Mapping[str, str],
    probe_timeout: float,
) -> Path:
    """Download `tool` into `staging` and return its folder with `bin`, or raise DownloadError."""
    unpacked, folder = staging / "unpacked", staging / "out"
    unpacked.mkdir()
    (folder / "bin").mkdir(parents=True)
    for download in tool.downloads:
        wanted = {*download.binaries, *(probe.binary for probe in tool.probes)}
        _unpack(_verified(download, arch, staging, fetcher), wanted, unpacked)
    for name in tool.binaries:
        if not (unpacked / name).is_file():
            raise DownloadError(f"the download does not contain {name}")
    for probe in tool.probes:
        if not passes(probe, unpacked / probe.binary, environ, probe_timeout):
            raise DownloadError(f"the downloaded {probe.binary} does not run as {tool.label}")
    for name in tool.binaries:
        (unpacked / name).rename(folder / "bin" / name)
    return folder


def _verified(download: Download, arch: str, staging: Path, fetcher: Fetcher) -> Path:
    url, checksum_url = address(download.url, arch), address(download.checksum_url, arch)
    file = staging / url.rpartition("/")[2]
    expected = find_checksum(fetcher.text(checksum_url), file.name)
    if expected is None:
        raise DownloadError(f"{checksum_url} has no SHA-256 of {file.name}")
    if fetcher.save(url, file) != expected:
        raise DownloadError(f"{file.name} does not have the published SHA-256")
    return file


def _unpack(file: Path, wanted: set[str], into: Path) -> None:
    """Extract the regular files named in `wanted` from an archive, regardless of their folders."""
    if file.name in wanted:
        file.rename(into / file.name)
        (into / file.name).chmod(0o755)
        return
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                source = archive.extractfile(member) if member.isfile() else None
                if source is None or name not in wanted:
                    continue
                with source, (into / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
                (into / name).chmod(0o755)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DownloadError(f"{file.name} is not a readable archive ({error})") from None
    file.unlink()
