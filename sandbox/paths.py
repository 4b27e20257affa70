"""Where the sandbox keeps things on this machine; `node.layout` has the paths inside the node."""

from toolchain.paths import CHECKOUT

BIN = CHECKOUT / ".bin"
"""Links to every binary: what users, and Pulumi, put on PATH."""

STATE = CHECKOUT / ".sandbox"
"""Everything that belongs to the running cluster: certificates, etcd's data, volumes, logs."""

LOGS = STATE / "logs"
"""One file per component of the node and per build; kept when the sandbox stops."""

KUBECONFIG = STATE / "kubeconfig"
BUILDX = STATE / "buildx"
"""The folder for `BUILDX_CONFIG`: it names the node's BuildKit."""
