"""Where the running sandbox keeps what belongs to it."""

from toolchain.paths import CHECKOUT

__all__ = ["CHECKOUT", "STATE"]

STATE = CHECKOUT / ".sandbox"
"""Everything that belongs to the running cluster: certificates, etcd's data, volumes, logs."""
