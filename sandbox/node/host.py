"""What the sandbox adds to the host and removes again: a link, iptables rules, control groups.

Every function may be called in any state and more than once. Removal never depends on a file that
a killed run may not have written.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from sandbox.node import layout
from sandbox.settings import Settings
from toolchain.errors import CommandError, UserError

CGROUPS = Path("/sys/fs/cgroup")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def run(*command: str) -> str:
    """Run a command on the host and return its output; `CommandError` quotes it on failure."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip()
        raise CommandError(f"`{' '.join(command)}` failed (exit code {done.returncode}): {reason}")
    return done.stdout


# --- network --------------------------------------------------------------------------------


def _rules(settings: Settings) -> tuple[tuple[str, ...], ...]:
    """(table, chain, rule...): masquerade outgoing traffic, and forward despite Docker's policy."""
    mark = ("-m", "comment", "--comment", layout.MARK)
    source = str(settings.network)
    return (
        ("nat", "POSTROUTING", "-s", source, "!", "-o", layout.LINK, *mark, "-j", "MASQUERADE"),
        ("filter", "FORWARD", "-i", layout.LINK, *mark, "-j", "ACCEPT"),
        ("filter", "FORWARD", "-o", layout.LINK, *mark, "-j", "ACCEPT"),
    )


def connect(settings: Settings, pid: int, state: Path) -> None:
    """Link the network namespace of process `pid` to the host, with its routes and rules."""
    run(
        "ip", "link", "add", layout.LINK, "type", "veth", "peer", "name", "node0", "netns", str(pid)
    )
    run("ip", "address", "add", f"{settings.host_address}/30", "dev", layout.LINK)
    run("ip", "link", "set", layout.LINK, "up")
    for network in (settings.pod_network, settings.service_network):
        run("ip", "route", "replace", str(network), "via", str(settings.node_address))
    if FORWARDING.read_text().strip() == "0":
        (state / "forwarding-was-off").touch()
        FORWARDING.write_text("1")
    for table, chain, *rule in _rules(settings):
        run("iptables", "-w", "-t", table, "-I", chain, *rule)


def disconnect(state: Path) -> None:
    """Remove the link, its routes (which go with it) and every rule that carries our mark."""
    if Path(f"/sys/class/net/{layout.LINK}").exists():
        with contextlib.suppress(CommandError):  # the kernel may remove it at the same time
            run("ip", "link", "delete", layout.LINK)
    for table in ("nat", "filter"):
        listing = subprocess.run(
            ["iptables", "-w", "-t", table, "-S"], capture_output=True, text=True, check=False
        ).stdout
        for line in listing.splitlines():
            if f"--comment {layout.MARK}" in line or f'--comment "{layout.MARK}"' in line:
                rule = [word.strip('"') for word in line.split()]
                run("iptables", "-w", "-t", table, "-D", *rule[1:])
    flag = state / "forwarding-was-off"
    if flag.exists():
        FORWARDING.write_text("0")
        flag.unlink()


def overlapping_routes(network: IPv4Network) -> list[str]:
    """Routes of the host, except the sandbox's, that share an address with `network`."""
    routes: list[dict[str, Any]] = json.loads(run("ip", "-json", "-4", "route", "show") or "[]")
    overlapping = []
    for route in routes:
        if route["dst"] == "default" or route.get("dev") == layout.LINK:
            continue
        if IPv4Network(route["dst"], strict=False).overlaps(network):
            overlapping.append(f"{route['dst']} on {route.get('dev', '?')}")
    return overlapping


def resolv_conf() -> str:
    """A resolver configuration that works from another network namespace.

    A resolver on the loopback address (systemd-resolved, dnsmasq) cannot be reached from there;
    systemd keeps the real servers in a file beside its stub.
    """
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        if not path.is_file():
            continue
        lines = path.read_text().splitlines()
        servers = [line.split()[1] for line in lines if line.startswith("nameserver ")]
        if servers and not all(server.startswith("127.") or server == "::1" for server in servers):
            return "\n".join(lines) + "\n"
    raise UserError(
        "Every name server in /etc/resolv.conf is on the loopback address, which the node cannot "
        "reach.",
        "Add one that other machines can reach, as a line `nameserver ADDRESS`.",
    )


# --- control groups -------------------------------------------------------------------------


def hierarchies() -> list[Path]:
    """The roots of the control-group hierarchies.

    There is one with v2 only, and one per controller with v1. Where both are mounted, v2 has no
    controllers, and runc creates groups in all hierarchies.
    """
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    roots = (Path(m[1]) for m in mounts if m[2] in {"cgroup", "cgroup2"})
    return sorted({root for root in roots if root.is_relative_to(CGROUPS)})


def make_cgroups() -> list[Path]:
    """Create our group in every hierarchy; returns the `cgroup.procs` files to join it by."""
    procs = []
    for root in hierarchies():
        group = root / layout.CGROUP
        system = group / "system"
        system.mkdir(parents=True, exist_ok=True)
        if (root / "cgroup.controllers").exists():
            _delegate_controllers(root, group)
        for name in ("cpuset.cpus", "cpuset.mems"):  # v1: a group is unusable until these are set
            if (root / name).exists():
                for each in (group, system):
                    (each / name).write_text((root / name).read_text())
        procs.append(system / "cgroup.procs")
    return procs


def _delegate_controllers(*groups: Path) -> None:
    """With v2, enable a group's available controllers for its children."""
    for group in groups:
        for controller in (group / "cgroup.controllers").read_text().split():
            with contextlib.suppress(OSError):
                (group / "cgroup.subtree_control").write_text(f"+{controller}")


def processes() -> list[int]:
    """PIDs of the sandbox, from its control groups: unlike a PID file, they are never stale."""
    pids: set[int] = set()
    for root in hierarchies():
        # Unlike `rglob`, `os.walk` passes over a group that a pod's end removes meanwhile.
        for group, _groups, _files in os.walk(root / layout.CGROUP):
            with contextlib.suppress(OSError):
                procs = Path(group, "cgroup.procs").read_text()
                pids.update(int(pid) for pid in procs.split())
    return sorted(pids - {0})


def kill_all(timeout: float = 15.0) -> None:
    """Kill every process of the sandbox and wait, at most `timeout` seconds, until none is left."""
    deadline = time.monotonic() + timeout
    while pids := processes():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise CommandError(
                f"These processes of the sandbox did not end within {timeout:.0f} s of being "
                f"killed: {_join(pids)}.",
                "They may be waiting for a disk. See: ps -o pid,stat,wchan,args -p "
                f"{','.join(str(pid) for pid in pids)}",
            )
        time.sleep(0.05)


def remove_cgroups(timeout: float = 10.0) -> None:
    """Remove our groups; the kernel frees a group a moment after its last process."""
    deadline = time.monotonic() + timeout
    while True:
        left = [g for root in hierarchies() for g in _deepest_first(root / layout.CGROUP)]
        for group in left:
            with contextlib.suppress(OSError):
                group.rmdir()
        if not any(group.exists() for group in left):
            return
        if time.monotonic() > deadline:
            raise CommandError(
                f"These control groups could not be removed within {timeout:.0f} s: {_join(left)}.",
                "Repeat the command; if a process is still in one, its cgroup.procs names it.",
            )
        time.sleep(0.05)


def _deepest_first(group: Path) -> Iterator[Path]:
    if group.is_dir():
        for folder, _, _ in os.walk(group, topdown=False):
            yield Path(folder)


def _join(items: Iterable[object]) -> str:
    return ", ".join(str(item) for item in items)
