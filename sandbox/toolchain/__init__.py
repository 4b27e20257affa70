"""Gets every binary that the sandbox and Pulumi need, building from pinned sources if it must."""

from sandbox.toolchain.catalogue import TOOLS
from sandbox.toolchain.ensure import ensure
from sandbox.toolchain.links import link_farm
from sandbox.toolchain.model import Tool
from sandbox.toolchain.report import ConsoleReporter, Reporter

__all__ = ["TOOLS", "ConsoleReporter", "Reporter", "Tool", "ensure", "link_farm"]
