"""Provides every binary that rayline needs: found, downloaded, or built from pinned sources."""

from toolchain.catalogue import TOOLS
from toolchain.ensure import ensure, present
from toolchain.links import link_farm
from toolchain.model import Tool
from toolchain.report import ConsoleReporter, Reporter

__all__ = ["TOOLS", "ConsoleReporter", "Reporter", "Tool", "ensure", "link_farm", "present"]
