"""The `kubernetes` package is imported in parts, and works as if it had been imported whole."""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from infra.providers.common.api_server import KubeClient
from tests.infra.providers.common.fake_api_server import CONTEXT
from tests.infra.providers.common.test_api_server import Api, api

__all__ = ["api"]

LOOK = """
import sys
from infra.providers.common.api_server import KubeClient
with KubeClient("fake") as kube:
    kube.get("/ok")
"""
PARTS = """
assert not [name for name in sys.modules if name.startswith("kubernetes")]
assert "websocket" not in sys.modules
"""
AFTERWARDS = """
import kubernetes
kubernetes.client.CoreV1Api(), kubernetes.config.load_kube_config, kubernetes.watch.Watch
"""
BEFORE = """
import kubernetes
"""
SAME = """
assert sys.modules["kubernetes"] is kubernetes
assert kubernetes.client.CoreV1Api
"""


@pytest.mark.parametrize(
    "program",
    [LOOK + PARTS, LOOK + AFTERWARDS, BEFORE + LOOK + SAME],
    ids=["parts", "after", "before"],
)
def test_only_the_parts_are_imported_and_others_can_import_the_whole(
    api: Api, program: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert api.requests[0].headers["authorization"] == "Bearer kube-user-token"


@pytest.fixture
def provider() -> Iterator[str]:
    """The address of an OpenID provider that issues the token NEW."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = {
                "token_endpoint": f"{address}/token",
                "access_token": "unused",
                "token_type": "Bearer",
                "id_token": "NEW",
                "refresh_token": "next",
            }
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield address
        server.shutdown()
        thread.join()


def test_an_expired_token_of_an_openid_provider_is_renewed(
    api: Api, provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one use that the package itself makes of its ApiClient."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    claims = base64.urlsafe_b64encode(b'{"exp": 1, "x": 1}').decode().rstrip("=")
    file = tmp_path / "kubeconfig"
    content = yaml.safe_load(file.read_text())
    settings = {
        "client-id": "c",
        "client-secret": "s",
        "id-token": f"e30.{claims}.e30",
        "idp-issuer-url": provider,
        "refresh-token": "r",
    }
    content["users"][0]["user"] = {"auth-provider": {"name": "oidc", "config": settings}}
    file.write_text(yaml.safe_dump(content))
    with KubeClient(CONTEXT) as kube:
        kube.get("/ok")
    assert api.requests[0].headers["authorization"] == "Bearer NEW"
