"""Posts the Serve applications again after Ray has lost them: `python -m app.restore`.

It runs beside Ray in the head pod, and only watches until a head knows no application: a new one
without its predecessor's store. Then it sends what the last `pulumi up` has finished, and nothing
else. `up` keeps two files up to date, the keys of a ConfigMap: `applications.json`, the body that
Serve should have, which `up` changes before it touches anything; and `finished`, the SHA-256 of the
body that was RUNNING when `up` ended. While they differ, an `up` is at work, was killed or has
failed, and nothing is sent.

Kubelet may renew the files a minute late. So in each session of Ray that has had applications
nothing is sent any more: what is gone from there was removed, not lost. A session ends with its
head, and kubelet renews the files when a container of the pod ends.

Only the standard library, and of that little: the process takes 9 MB of its own (18 MB with the
shared pages of the interpreter). docs/adr/0035-what-was-lost-comes-back.md
"""

import hashlib
import http.client
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("RAYLINE_WANTED", "/etc/rayline/wanted"))
TOKEN_FILE = Path(os.environ.get("RAYLINE_RAY_TOKEN", "/etc/rayline/ray-token/auth_token"))
ADDRESS = os.environ.get("RAYLINE_RAY_ADDRESS", "127.0.0.1:8265")
APPLICATIONS = "/api/serve/applications/"
# The same process in Ray's dashboard as above, and no call to Serve's controller.
VERSION = "/api/ray/version"
TURN_SECONDS = float(os.environ.get("RAYLINE_RESTORE_SECONDS", "2"))
LOOK_SECONDS, SEND_SECONDS = 15.0, 120.0
"""How long Ray may take. The request starts Serve's controller, which took over 15 s on a busy
machine, and Ray drops what it has begun when the sender leaves."""
EMPTY_TURNS = 3
"""How often Serve must be empty, one turn after the other: a controller that recovers its
applications from Ray's store is not there for a moment."""
AGAIN_TURNS = 15
"""Turns from a request to the next one, if Serve is still empty."""


class RayError(Exception):
    """No answer, or not the expected one. The text contains no secret."""


class Poster:
    """What is known about the current session of Ray."""

    def __init__(self) -> None:
        self.session = ""
        self.has_served = False
        self.empty = 0

    def turn(self) -> str:
        """Look, and send the applications if they are lost. Returns what to log, if it is new."""
        session = str(_json("GET", VERSION).get("session_name"))
        if session != self.session:
            self.session, self.has_served, self.empty = session, False, 0
        if self.has_served:
            return "Serve has applications"
        body = wanted()
        if body is None:
            self.empty = 0
            return "an up has not finished: nothing is restored"
        if _json("GET", APPLICATIONS).get("applications"):
            self.has_served = True
            return "Serve has applications"
        self.empty += 1
        if self.empty < EMPTY_TURNS:
            return "Serve has no applications"
        self.empty = EMPTY_TURNS - AGAIN_TURNS
        _call("PUT", APPLICATIONS, body)
        return f"{session} had no applications: those of the last up were sent"


def wanted() -> bytes | None:
    """The body that the last `up` finished; None if none did, or if it has no application."""
    try:
        body = (FOLDER / "applications.json").read_bytes()
        finished = (FOLDER / "finished").read_text().strip()
    except FileNotFoundError:
        return None
    if hashlib.sha256(body).hexdigest() != finished:
        return None
    return body if json.loads(body)["applications"] else None


def _json(method: str, path: str) -> dict[str, Any]:
    text = _call(method, path)
    try:
        value = json.loads(text)
    except ValueError:
        raise RayError(f"{method} {path} did not answer with JSON") from None
    if not isinstance(value, dict):
        raise RayError(f"{method} {path} did not answer with a JSON object")
    return value


def _call(method: str, path: str, body: bytes | None = None) -> bytes:
    token = TOKEN_FILE.read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    seconds = LOOK_SECONDS if body is None else SEND_SECONDS
    connection = http.client.HTTPConnection(ADDRESS, timeout=seconds)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise RayError(f"{method} {path}: {type(error).__name__}: {error}") from None
    except ValueError:
        # Its text has the header's value, which is the token.
        raise RayError(f"{TOKEN_FILE} contains what no HTTP header can have") from None
    finally:
        connection.close()
    if answer.status >= 300:
        raise RayError(f"{method} {path} answered {answer.status}: {text[:300]!r}")
    return text


def main() -> None:
    """Turn after turn, whatever happens: the pod is Ready only while this process runs."""
    # Process 1 of a container has no default handlers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    poster, last = Poster(), ""
    while True:
        try:
            line = poster.turn()
        except Exception as error:
            line = f"{error}" if isinstance(error, RayError) else f"{type(error).__name__}: {error}"
        if line != last:
            print(line, flush=True)
            last = line
        time.sleep(TURN_SECONDS)


if __name__ == "__main__":
    main()
