"""The root of the checkout, and the one cache of the machine."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
"""The root of this checkout."""

PULUMI_HOME = CHECKOUT / ".pulumi-home"
"""Pulumi's plug-ins for this checkout; the user's own home keeps the login (`toolchain.pulumi`)."""


def cache_root() -> Path:
    """The folder of everything that outlives a cluster: binaries and image stores.

    `$RAYLINE_CACHE`, or `~/.cache/rayline`. It is outside the checkout, so that a fresh clone
    finds the binaries that another clone built.
    """
    given = os.environ.get("RAYLINE_CACHE")
    return Path(given).expanduser().resolve() if given else Path.home() / ".cache" / "rayline"
