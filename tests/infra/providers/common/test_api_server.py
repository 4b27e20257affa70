"""Requests to the API server, and what becomes of its refusals."""

import base64
from pathlib import Path
from typing import Any

import pytest

from infra.providers.common.api_server import KubeClient, KubeError
from tests.infra.providers.common.fake_api_server import CONTEXT, FakeApi, Request, Reset, refused


class Api(FakeApi):
    def answer(self, request: Request) -> tuple[int, Any]:
        match request.path:
            case "/ok":
                return 200, {"query": request.query}
            case "/text":
                return 200, "not json"
            case "/denied":
                return refused(403, "Forbidden", "pods is forbidden")
            case "/expired":
                return refused(401, "Unauthorized", "Unauthorized")
            case "/cut":
                raise Reset(10)
            case "/reset":
                raise Reset
            case "/api/v1/namespaces/ns/secrets/s":
                return 200, {
                    "data": {"auth_token": base64.b64encode(b"tok\n").decode(), "bad": "%"}
                }
        return super().answer(request)


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


@pytest.mark.parametrize("path", ["/cut", "/reset"])
def test_a_broken_answer_has_no_status_and_is_asked_for_once(api: Api, path: str) -> None:
    with KubeClient(CONTEXT) as kube, pytest.raises(KubeError, match=CONTEXT) as error:
        kube.get(path)
    assert error.value.status is None
    assert len(api.requests) == 1


def test_nobody_listens(api: Api) -> None:
    with KubeClient(CONTEXT) as kube:
        api.__exit__()
        with pytest.raises(KubeError, match=r"no answer.*kubectl --context fake version") as error:
            kube.get("/ok")
    api.__enter__()
    assert error.value.status is None


def test_deleting_what_is_absent_is_done(api: Api) -> None:
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
