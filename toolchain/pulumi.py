"""Pulumi in the layout of its own release, so that it finds every part without a warning.

Pulumi warns about each plug-in that it finds on PATH, in every command. It does not where the
language host is beside `pulumi` itself, and the plug-ins are in its home.
https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/workspace/plugins.go (GetPluginPath)
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from toolchain.catalogue import TOOLS
from toolchain.links import link_farm
from toolchain.paths import PULUMI_HOME, cache_root

_PLUGIN = "pulumi-resource-"
_BESIDE = ("pulumi", "pulumi-language-python")
"""The tools whose binaries Pulumi expects in the folder of its own executable."""


def link(tools: Mapping[str, Path], folder: Path, home: Path = PULUMI_HOME) -> None:
    """Fill `folder`, which goes on PATH, and the plug-ins of `home`; `tools` is `ensure`'s result.

    Plug-ins are only in the home. Other contents of the home stay.
    """
    plugins = {name: path for name, path in tools.items() if name.startswith(_PLUGIN)}
    for name, path in plugins.items():
        _install(path / "bin" / name, home / "plugins" / _folder(name))
    others = {name: path for name, path in tools.items() if name not in plugins}
    link_farm(others, folder)
    for name in _BESIDE:
        if name in others:
            _bring_beside(others[name] / "bin", folder)


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables with which Pulumi uses the home of this checkout, and the user's login.

    https://www.pulumi.com/docs/iac/cli/environment-variables/
    """
    users = environ.get("PULUMI_HOME") or str(Path(environ.get("HOME", "~"), ".pulumi"))
    return {
        "PULUMI_HOME": str(PULUMI_HOME),
        "PULUMI_CREDENTIALS_PATH": environ.get("PULUMI_CREDENTIALS_PATH") or users,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Pulumi's Python SDK would look for the engine, on this machine, behind `http_proxy`.
        "no_grpc_proxy": "127.0.0.1",
    }


def _folder(name: str) -> str:
    """resource-kubernetes-v4.25.0"""
    return f"{name.removeprefix('pulumi-')}-v{TOOLS[name].version}"


def _install(binary: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / binary.name
    fresh = folder / f".{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(binary)
    fresh.replace(link)


def _bring_beside(binaries: Path, folder: Path) -> None:
    """Replace links to this cache by the files themselves: Pulumi follows links before it compares
    folders. A binary that was on the user's PATH has its companions beside it already."""
    for binary in binaries.iterdir():
        if binary.is_symlink() or not binary.resolve().is_relative_to(cache_root().resolve()):
            continue
        place = folder / binary.name
        fresh = folder / f".{binary.name}-{os.getpid()}"
        try:
            os.link(binary, fresh)
        except OSError:  # another file system
            shutil.copy2(binary, fresh)
        fresh.replace(place)
