"""The root of the checkout, and the one cache of the machine."""

import os
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
"""The root of this checkout."""

PULUMI_HOME = CHECKOUT / ".pulumi-home"
"""Pulumi's plug-ins for this checkout; the user's own home keeps the login (`toolchain.pulumi`)."""

TOOLS_BIN = CHECKOUT / ".venv" / "pulumi"
"""Links to Pulumi, its language host and plug-ins, made by `ci.tools`. `.bin` has the sandbox's."""


def search_path(environ: Mapping[str, str], *folders: Path) -> str:
    """PATH that begins with `folders`, once each, however often it is asked for."""
    ours = [str(folder) for folder in folders]
    others = environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*ours, *(folder for folder in others if folder not in ours)])


def cache_root() -> Path:
    """The folder of everything that outlives a cluster: binaries and image stores.

    `$RAYLINE_CACHE`, or `~/.cache/rayline`. It is outside the checkout, so that a fresh clone
    finds the binaries that another clone built.
    """
    given = os.environ.get("RAYLINE_CACHE")
    return Path(given).expanduser().resolve() if given else Path.home() / ".cache" / "rayline"
