"""Everything besides the catalogue that a run depends on; tests pass their own values."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolchain.catalogue import TOOLS
from toolchain.model import SOURCES, Tool, host_arch
from toolchain.paths import cache_root


@dataclass(frozen=True)
class Settings:
    """Places, allowed ways to a tool, and time limits (all in seconds)."""

    cache: Path
    arch: str
    tools: tuple[Tool, ...] = tuple(TOOLS.values())
    sources: Path = SOURCES
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    use_path: bool = True
    use_prebuilt: bool = True
    connect_timeout: float = 5.0
    stall_timeout: float = 30.0
    """How long a connected server may be silent."""
    probe_timeout: float = 20.0

    @property
    def path(self) -> str:
        """PATH of the environment."""
        return self.environ.get("PATH", os.defpath)

    @classmethod
    def from_environment(cls) -> "Settings":
        """`RAYLINE_PREBUILT=0` forbids downloads, and `RAYLINE_TOOLS_FROM_PATH=0` ignores PATH."""
        return cls(
            cache=cache_root(),
            arch=host_arch(),
            use_path=os.environ.get("RAYLINE_TOOLS_FROM_PATH") != "0",
            use_prebuilt=os.environ.get("RAYLINE_PREBUILT") != "0",
        )
