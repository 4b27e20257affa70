"""A registry that requires a password, under one name for BuildKit on the host and for the node.

A second pair of processes of the sandbox's registry, with a store of its own
(docs/adr/0004-two-sides-of-the-registry.md).
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import yaml

from sandbox.cluster.bootstrap import wait
from sandbox.node import files, lifecycle
from sandbox.settings import Settings

PORT = 5443
ADDRESS = f"localhost:{PORT}"
"""Every client speaks plain HTTP with this name, whatever the port."""
USERNAME = "deployer"
PASSWORD = 'a p@ss:word/with $ and "quotes"'
# The registry accepts bcrypt only, which no package of the project can make.
BCRYPT = "$2b$05$g51P6.Ryse3F1y.fQ0FX7.lk8WkDOQ7npqVs.XsjZDJ3zgaA7ZgTu"
START_SECONDS = 15


@contextmanager
def registry_with_password(folder: Path) -> Iterator[None]:
    """Run it at `ADDRESS` with its files in `folder`; both processes end with the context."""
    owner = lifecycle.owner()
    assert owner is not None, "the sandbox is not running"
    on_the_node = ("nsenter", f"--net=/proc/{owner['pid']}/ns/net", "--")
    log = folder / "registry.log"
    with ExitStack() as processes, log.open("wb") as output:
        for prefix in ((), on_the_node):
            command = (*prefix, "docker-registry", "serve", str(_configuration(folder)))
            processes.enter_context(_running(command, output.fileno()))
        hint = f"Log: {log}"
        wait("the registry to ask for a password", lambda: status() == 401, START_SECONDS, hint)
        wait("the same on the node", lambda: _refuses(on_the_node), START_SECONDS, hint)
        assert status(login=(USERNAME, PASSWORD)) == 200
        assert status(login=(USERNAME, "another")) == 401
        yield


def status(path: str = "", login: tuple[str, str] | None = None) -> int:
    """The HTTP status of `/v2/` and `path` on the host; 0 if nothing answers."""
    try:
        url = f"http://{ADDRESS}/v2/{path}"
        return httpx.get(url, auth=login, timeout=10, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def _refuses(prefix: tuple[str, ...]) -> bool:
    """Whether a request from the node without a password is refused."""
    command = [*prefix, "curl", "--silent", "--noproxy", "*", f"http://{ADDRESS}/v2/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return "UNAUTHORIZED" in done.stdout


@contextmanager
def _running(command: tuple[str, ...], output: int) -> Iterator[None]:
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as ours:
        try:
            yield
        finally:
            ours.terminate()


def _configuration(folder: Path) -> Path:
    """The sandbox's configuration with another port and store, and with a password."""
    content = yaml.safe_load(files.files(Settings(registry_port=PORT), "")["registry.yaml"])
    users = folder / "htpasswd"
    users.write_text(f"{USERNAME}:{BCRYPT}\n")
    content["storage"]["filesystem"]["rootdirectory"] = str(folder / "images")
    content["auth"] = {"htpasswd": {"realm": "their registry", "path": str(users)}}
    file = folder / "registry.yaml"
    file.write_text(yaml.safe_dump(content))
    return file
