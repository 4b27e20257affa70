"""Paths and names inside the node, the same on every machine; `sandbox.paths` has the host's.

The node has its own mount namespace, in which the checkout's state folder, the cache and the
binaries are bound to fixed places. No configuration file therefore contains a path that the user
chose, and a checkout may lie in a folder with a space in its name.
"""

from pathlib import PurePosixPath as Path

NODE_NAME = "rayline-sandbox"
NODE_GROUP = "w-gpu"
BUILDER = "rayline"
"""The name by which buildx and Pulumi's docker-build plug-in know the node's BuildKit."""

RUN = Path("/run/rayline")
"""Exists on the host too, for the sockets of containerd and BuildKit: a socket's path is limited to
107 bytes, which a path in the checkout may exceed. `make sandbox-down` removes it."""

STATE = RUN / "state"
CACHE = RUN / "cache"
SCRATCH = RUN / "scratch"

STORES = ("containerd", "buildkit", "registry")
"""Folders of the cache that are bound into the node and outlive the cluster."""

BIN = STATE / "bin"
"""Links to the binaries that this node was started with. `make tools` may change the checkout's
links while the node runs, and a restarted component must still be the same binary."""

CONFIG = STATE / "config"
PKI = STATE / "pki"
LOGS = STATE / "logs"
KUBELET_ROOT = STATE / "kubelet"
VOLUMES = STATE / "volumes"

CONTAINERD_SOCKET = RUN / "containerd.sock"
BUILDKIT_SOCKET = RUN / "buildkitd.sock"

MASKED = ("/run/containerd", "/run/netns")
"""Folders that a container engine of the host may use too, so they are hidden inside the node."""

CGROUP = "rayline"
"""Every process of the sandbox runs below this control group, in every hierarchy."""

LINK = "rayline0"
"""The host's end of the link to the node."""

MARK = "rayline-sandbox"
"""The comment on each iptables rule that the sandbox adds to the host."""
