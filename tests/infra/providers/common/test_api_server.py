"""Requests to the API server, and how its refusals are reported."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.providers.common import kubernetes_package
from infra.providers.common.api_server import KubeClient, KubeError
from tests.infra.providers.common.fake_api_server import CONTEXT, FakeApi, Request, Reset, refused


class Api(FakeApi):
    def answer(self, request: Request) -> tuple[int, Any]:
        if request.path in ("/cut", "/reset"):
            raise Reset(10 if request.path == "/cut" else 0)
        token = base64.b64encode(b"tok\n").decode()
        answers: dict[str, tuple[int, Any]] = {
            "/ok": (200, {"query": request.query}),
            "/text": (200, "not json"),
            "/denied": refused(403, "Forbidden", "pods is forbidden"),
            "/expired": refused(401, "Unauthorized", "Unauthorized"),
            "/binary": (502, "\ud800"),
            "/moved": (302, "go elsewhere"),
            "/api/v1/namespaces/ns/secrets/s": (200, {"data": {"auth_token": token, "bad": "%"}}),
        }
        return answers.get(request.path) or super().answer(request)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with Api() as fake:
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path)))
        yield fake


def test_get_sends_the_contexts_credentials(api: Api) -> None:
    with KubeClient(CONTEXT) as kube:
        assert kube.get("/ok", query={"labelSelector": "a=b,c"}) == {
            "query": {"labelSelector": "a=b,c"}
        }
    assert api.requests[0].headers["authorization"] == "Bearer kube-user-token"


def test_an_unknown_context_is_named_with_what_to_type(api: Api) -> None:
    with pytest.raises(KubeError, match=r"'other'.*kubectl config get-contexts.*rayline:cluster"):
        KubeClient("other")


def test_refusals_carry_status_message_and_hint(api: Api) -> None:
    with KubeClient(CONTEXT) as kube:
        with pytest.raises(KubeError, match=r"pods is forbidden.*auth can-i") as denied:
            kube.get("/denied")
        assert denied.value.status == 403
        with pytest.raises(KubeError, match="log in again"):
            kube.get("/expired")
        with pytest.raises(KubeError, match="did not return a JSON object"):
            kube.get("/text")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_sends_the_token_the_query_and_the_body(api: Api, method: str) -> None:
    """kubernetes 36.0.0 dropped the token: kubernetes-client/python#2582."""
    body = None if method in ("GET", "DELETE") else {"a": [1]}
    with KubeClient(CONTEXT) as kube:
        answer = kube.call(method, "/ok", query={"q": "a b"}, headers={"X-More": "1"}, body=body)
    assert answer.status == 200
    (request,) = api.requests
    assert request.headers["authorization"] == "Bearer kube-user-token"
    assert request.headers["accept"] == "application/json"
    assert request.headers["x-more"] == "1"
    assert request.query == {"q": "a b"}
    assert request.body == body


def test_a_token_that_no_header_can_carry_is_not_shown(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(file.read_text().replace("kube-user-token", '"secret\\nvalue"'))
    with KubeClient(CONTEXT) as kube, pytest.raises(KubeError, match="log in again") as error:
        kube.get("/ok")
    assert "secret" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_token_of_a_credential_plug_in_is_sent(api: Api, tmp_path: Path) -> None:
    plug_in = tmp_path / "plug-in"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-a-plug-in"},
    }
    plug_in.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    plug_in.chmod(0o755)
    file = tmp_path / "kubeconfig"
    content = yaml.safe_load(file.read_text())
    content["users"][0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(plug_in),
            "interactiveMode": "Never",
        }
    }
    file.write_text(yaml.safe_dump(content))
    with KubeClient(CONTEXT) as kube:
        kube.get("/ok")
    assert api.requests[0].headers["authorization"] == "Bearer from-a-plug-in"


def test_a_proxy_of_the_environment_is_used_unless_it_is_excepted(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kubeconfig"
    content = yaml.safe_load(file.read_text())
    content["clusters"][0]["cluster"]["server"] = "http://cluster.example.com:6443"
    file.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("HTTPS_PROXY", api.url)
    with KubeClient(CONTEXT) as kube:
        assert kube.get("/ok") == {"query": {}}
    assert api.requests[0].headers["host"] == "cluster.example.com:6443"


def test_a_binary_refusal_and_a_redirect_are_answers(api: Api) -> None:
    with KubeClient(CONTEXT) as kube:
        assert kube.call("GET", "/binary").status == 502
        assert kube.call("GET", "/moved").status == 302
    assert len(api.requests) == 2


def test_an_untrusted_certificate_counts_as_no_answer(api: Api, tmp_path: Path) -> None:
    with tls_server(tmp_path) as port:
        file = tmp_path / "kubeconfig"
        content = yaml.safe_load(file.read_text())
        content["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        file.write_text(yaml.safe_dump(content))
        with KubeClient(CONTEXT) as kube, pytest.raises(KubeError, match="no answer") as error:
            kube.get("/ok")
        assert error.value.status is None
        assert "CERTIFICATE_VERIFY_FAILED" in str(error.value)
        content["clusters"][0]["cluster"]["certificate-authority"] = str(tmp_path / "cert.pem")
        file.write_text(yaml.safe_dump(content))
        with KubeClient(CONTEXT) as kube:
            assert kube.call("GET", "/").status == 200


def test_clients_that_start_at_once_wait_for_the_certificates_file(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(name: str, mode: str = "r") -> Any:
        time.sleep(0.1)
        return open(name, mode)

    # The package shares one file per certificate; `open` is its last step before the content.
    kube_config = kubernetes_package.load().kube_config
    monkeypatch.setattr(kube_config, "open", slowly, raising=False)
    with tls_server(tmp_path) as port, ThreadPoolExecutor(4) as threads:
        file = tmp_path / "kubeconfig"
        content = yaml.safe_load(file.read_text())
        content["clusters"][0]["cluster"] = {
            "server": f"https://127.0.0.1:{port}",
            "certificate-authority-data": base64.b64encode(
                (tmp_path / "cert.pem").read_bytes()
            ).decode(),
        }
        file.write_text(yaml.safe_dump(content))

        def status(_number: int) -> int:
            with KubeClient(CONTEXT) as kube:
                return kube.call("GET", "/").status

        assert list(threads.map(status, range(4))) == [200] * 4


@contextmanager
def tls_server(folder: Path) -> Iterator[int]:
    """A server with a self-signed certificate, in cert.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("path", ["/cut", "/reset"])
def test_a_broken_answer_has_no_status_and_is_requested_once(api: Api, path: str) -> None:
    with KubeClient(CONTEXT) as kube, pytest.raises(KubeError, match=CONTEXT) as error:
        kube.get(path)
    assert error.value.status is None
    assert len(api.requests) == 1


def test_a_server_that_does_not_listen(api: Api) -> None:
    with KubeClient(CONTEXT) as kube:
        api.__exit__()
        with pytest.raises(KubeError, match=r"no answer.*kubectl --context fake version") as error:
            kube.get("/ok")
    api.__enter__()
    assert error.value.status is None


def test_deleting_an_absent_object_succeeds(api: Api) -> None:
    with KubeClient(CONTEXT) as kube:
        kube.delete("/absent")
        with pytest.raises(KubeError):
            kube.delete("/denied")


def test_secret(api: Api) -> None:
    with KubeClient(CONTEXT) as kube:
        assert kube.secret("ns", "s", "auth_token") == "tok"
        with pytest.raises(KubeError, match=r"Secret ns/absent does not exist.*get secret absent"):
            kube.secret("ns", "absent", "auth_token")
        with pytest.raises(KubeError, match="no key other"):
            kube.secret("ns", "s", "other")
        with pytest.raises(KubeError, match="bad is not text"):
            kube.secret("ns", "s", "bad")
