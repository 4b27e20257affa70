"""Paths and names that the node uses, the same on every machine.

The node has a mount namespace of its own. The checkout's state folder, the cache and the binaries
are bound to fixed places in it, so no configuration file holds a path that the user chose: a
checkout may lie below a folder with a space in its name.
"""

from pathlib import PurePosixPath as Path

NODE_NAME = "rayline-sandbox"
NODE_GROUP = "w-gpu"
BUILDER = "rayline"
"""The name of the BuildKit instance for buildx and Pulumi's docker-build plug-in."""

RUN = Path("/run/rayline")
"""On the host too: the sockets of containerd and BuildKit lie here (a socket's path is limited to
107 bytes, which a checkout's path may exceed). Removed by `sandbox-down`."""

STATE = RUN / "state"
CACHE = RUN / "cache"
SCRATCH = RUN / "scratch"

BIN = STATE / "bin"
"""Links to the binaries that this node was started with: `make tools` may change those of the
checkout while it runs, and a component that is restarted must be the same one."""

CONFIG = STATE / "config"
PKI = STATE / "pki"
LOGS = STATE / "logs"
KUBELET_ROOT = STATE / "kubelet"
VOLUMES = STATE / "volumes"

CONTAINERD_SOCKET = RUN / "containerd.sock"
BUILDKIT_SOCKET = RUN / "buildkitd.sock"

MASKED = ("/run/containerd", "/run/netns")
"""Folders with fixed names that a container engine of the host may use as well: hidden inside."""

CGROUP = "rayline"
"""Every process of the sandbox lies below this control group, in every hierarchy that has it."""

LINK = "rayline0"
"""The host's end of the link to the node."""

MARK = "rayline-sandbox"
"""The comment on each of our iptables rules on the host."""
