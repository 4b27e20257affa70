"""Where the sandbox keeps things: one cache for the machine, one state folder for the checkout."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
"""The root of this checkout."""

STATE = CHECKOUT / ".sandbox"
"""Everything that belongs to the running cluster: certificates, etcd's data, volumes, logs."""


def cache_root() -> Path:
    """The folder of what outlives a cluster: binaries and the stores of images.

    `$RAYLINE_CACHE`, or `~/.cache/rayline`. It lies outside the checkout so that a fresh clone
    finds the binaries that another clone built.
    """
    given = os.environ.get("RAYLINE_CACHE")
    return Path(given).expanduser().resolve() if given else Path.home() / ".cache" / "rayline"
