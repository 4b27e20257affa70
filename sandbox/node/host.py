"""What the sandbox adds to the host, and its removal: a link, three iptables rules, control groups.

Every function here may be called twice and in any state; removal never depends on a file that a
killed run may not have written.
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
    """Run a command of the host; its output, or `CommandError` with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise CommandError(f"`{' '.join(command)}` failed (exit code {done.returncode}): {said}")
    return done.stdout


# --- network --------------------------------------------------------------------------------


def _rules(settings: Settings) -> tuple[tuple[str, ...], ...]:
    """(table, chain, rule...): masquerade what leaves; forward where Docker's policy is to drop."""
    mark = ("-m", "comment", "--comment", layout.MARK)
    source = str(settings.network)
    return (
        ("nat", "POSTROUTING", "-s", source, "!", "-o", layout.LINK, *mark, "-j", "MASQUERADE"),
        ("filter", "FORWARD", "-i", layout.LINK, *mark, "-j", "ACCEPT"),
        ("filter", "FORWARD", "-o", layout.LINK, *mark, "-j", "ACCEPT"),
    )


def connect(settings: Settings, pid: int, state: Path) -> None:
    """Make the link to the network namespace of process `pid`, and the routes and rules for it."""
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
    """Remove link, routes (they go with it) and every rule that carries our mark."""
    if Path(f"/sys/class/net/{layout.LINK}").exists():
        with contextlib.suppress(CommandError):  # the namespace's end removes it at the same time
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
    """Routes of the host, ours apart, that share an address with `network`."""
    routes: list[dict[str, Any]] = json.loads(run("ip", "-json", "-4", "route", "show") or "[]")
    found = []
    for route in routes:
        if route["dst"] == "default" or route.get("dev") == layout.LINK:
            continue
        if IPv4Network(route["dst"], strict=False).overlaps(network):
            found.append(f"{route['dst']} on {route.get('dev', '?')}")
    return found


def resolv_conf() -> str:
    """A resolver configuration that works from another network namespace.

    A resolver on the loopback (systemd-resolved, dnsmasq) is not reachable from there; systemd
    keeps the real ones beside its stub.
    """
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        if not path.is_file():
            continue
        lines = path.read_text().splitlines()
        servers = [line.split()[1] for line in lines if line.startswith("nameserver ")]
        if servers and not all(server.startswith("127.") or server == "::1" for server in servers):
            return "\n".join(lines) + "\n"
    raise UserError(
        "The host's only name server is on its loopback address, which the node cannot reach.",
        "Name one that other machines can reach in /etc/resolv.conf.",
    )


# --- control groups -------------------------------------------------------------------------


def hierarchies() -> list[Path]:
    """The roots of the control-group hierarchies.

    One on a machine with v2 only, one a controller with v1, and v2 beside them without controllers
    where both are mounted: runc makes groups in all of them.
    """
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    roots = (Path(m[1]) for m in mounts if m[2] in {"cgroup", "cgroup2"})
    return sorted({root for root in roots if root.is_relative_to(CGROUPS)})


def make_cgroups() -> list[Path]:
    """Make our group in every hierarchy; the `cgroup.procs` files that a process joins by."""
    procs = []
    for root in hierarchies():
        group = root / layout.CGROUP
        system = group / "system"
        system.mkdir(parents=True, exist_ok=True)
        if (root / "cgroup.controllers").exists():
            _hand_on_controllers(root, group)
        for name in ("cpuset.cpus", "cpuset.mems"):  # v1: empty until set, and unusable until then
            if (root / name).exists():
                for each in (group, system):
                    (each / name).write_text((root / name).read_text())
        procs.append(system / "cgroup.procs")
    return procs


def _hand_on_controllers(*groups: Path) -> None:
    """v2: a group's children have the controllers that it hands on; some may be unavailable."""
    for group in groups:
        for controller in (group / "cgroup.controllers").read_text().split():
            with contextlib.suppress(OSError):
                (group / "cgroup.subtree_control").write_text(f"+{controller}")


def processes() -> list[int]:
    """Every process of the sandbox, found by its control group: no file can be stale or lost."""
    found: set[int] = set()
    for root in hierarchies():
        for procs in (root / layout.CGROUP).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in procs.read_text().split())
    return sorted(found - {0})


def kill_all(timeout: float = 15.0) -> None:
    """Kill every process of the sandbox and wait until none is left (seconds)."""
    deadline = time.monotonic() + timeout
    while pids := processes():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise CommandError(f"These processes of the sandbox do not end: {_join(pids)}.")
        time.sleep(0.05)


def remove_cgroups(timeout: float = 10.0) -> None:
    """Remove our groups; the kernel frees one a moment after its last process."""
    deadline = time.monotonic() + timeout
    while True:
        left = [g for root in hierarchies() for g in _deepest_first(root / layout.CGROUP)]
        for group in left:
            with contextlib.suppress(OSError):
                group.rmdir()
        if not any(group.exists() for group in left):
            return
        if time.monotonic() > deadline:
            raise CommandError(f"Control groups cannot be removed: {_join(left)}.")
        time.sleep(0.05)


def _deepest_first(group: Path) -> Iterator[Path]:
    if group.is_dir():
        for folder, _, _ in os.walk(group, topdown=False):
            yield Path(folder)


def _join(items: Iterable[object]) -> str:
    return ", ".join(str(item) for item in items)
