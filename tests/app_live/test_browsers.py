"""A deployment for browsers: cross-origin requests through the real HAProxy, other names of the
model, and answers in the background that a client cancels.
"""

from collections.abc import Iterator

import httpx
import openai
import pytest

from bench.serving.service import MODEL, Service
from tests.app_live.calls import LONG
from tests.app_live.extra_role import extra_role

pytestmark = [pytest.mark.live]

ORIGIN = "https://chat.example.com"
ALIAS = "Qwen/Qwen2.5-7B-Instruct"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def deployed(service: Service) -> Iterator[Service]:
    service.deploy(
        GUARD_CORS_ORIGINS=f"{ORIGIN} http://localhost:3000",
        MODEL_ALIASES=f"{ALIAS} gpt-4o",
        VLLM_ENABLE_RESPONSES_API_STORE="1",
    )
    yield service
    service.deploy()


@pytest.fixture(params=["ingress", "replica"])
def origin_url(request: pytest.FixtureRequest, deployed: Service) -> str:
    return deployed.url if request.param == "ingress" else deployed.replica_url()


def test_a_page_of_a_listed_origin_asks(
    redeployable: Service, deployed: Service, origin_url: str
) -> None:
    with httpx.Client(base_url=origin_url, headers={"Origin": ORIGIN}, timeout=60) as page:
        asked = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
        }
        preflight = page.options(CHAT, headers=asked)
        assert (preflight.status_code, preflight.content) == (204, b"")
        assert preflight.headers["access-control-allow-origin"] == ORIGIN
        wanted = asked["Access-Control-Request-Headers"]
        assert preflight.headers["access-control-allow-headers"] == wanted
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 5}
        answers = [
            page.post(CHAT, json=body, headers=deployed.headers()),
            page.post(CHAT, json={**body, "stream": True}, headers=deployed.headers()),
            page.post(CHAT, json=body),
            page.post(CHAT, json={**body, "n": 99}, headers=deployed.headers()),
            page.get("/health"),
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 401, 400, 200]
        for answer in answers:
            assert answer.headers.get_list("access-control-allow-origin") == [ORIGIN]
            assert "x-request-id" in answer.headers["access-control-expose-headers"]
            assert "Origin" in answer.headers["vary"]
        other = page.post(
            CHAT, json=body, headers={**deployed.headers(), "Origin": "https://evil.example"}
        )
        assert other.status_code == 200
        assert "access-control-allow-origin" not in other.headers


def test_load_balancers_probe_with_head_and_at_the_root(
    redeployable: Service, origin_url: str
) -> None:
    with httpx.Client(base_url=origin_url, timeout=30) as client:
        for path in ("/", "/health", "/ready") * 2:
            assert client.head(path).status_code == 200, path
            answer = client.get(path)
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_model_answers_by_each_of_its_names(redeployable: Service, deployed: Service) -> None:
    for listed in (MODEL, ALIAS):
        with (
            extra_role(
                deployed, "named", groups=["inference", "models", "describe"], models=[listed]
            ) as headers,
            openai.OpenAI(
                base_url=f"{deployed.url}/v1",
                api_key=headers["Authorization"].removeprefix("Bearer "),
                max_retries=0,
            ) as client,
        ):
            names = [model.id for model in client.models.list().data]
            assert names == [MODEL, ALIAS, "gpt-4o"]
            for name in names:
                answer = client.completions.create(model=name, prompt="Why", max_tokens=2)
                assert answer.model == MODEL
            with pytest.raises(openai.PermissionDeniedError):
                client.completions.create(model="gpt-4", prompt="Why", max_tokens=2)
    with extra_role(deployed, "other", groups=["models", "describe"], models=["x"]) as headers:
        answer = httpx.get(f"{deployed.url}/v1/models", headers=headers).json()
        assert answer["data"] == []


def test_answers_in_the_background_are_retrieved_and_cancelled(
    redeployable: Service, deployed: Service
) -> None:
    """`client.responses.cancel` posts without a body."""
    with openai.OpenAI(
        base_url=f"{deployed.url}/v1", api_key=deployed.token("user"), max_retries=0
    ) as client:
        began = client.responses.create(
            model=MODEL, input="Why?", background=True, store=True, max_output_tokens=LONG,
            extra_body={"ignore_eos": True},
        )  # fmt: skip
        assert client.responses.retrieve(began.id).status in ("queued", "in_progress")
        assert client.responses.cancel(began.id).status == "cancelled"
        assert client.responses.retrieve(began.id).status == "cancelled"
        with pytest.raises(openai.NotFoundError):
            client.responses.cancel("resp_of_nobody")
        stored = client.responses.create(model=MODEL, input="Why?", store=True, max_output_tokens=4)
        assert client.responses.retrieve(stored.id).output == stored.output


def test_stored_answers_are_for_the_user_who_asked(
    redeployable: Service, deployed: Service, origin_url: str
) -> None:
    def client(role: str) -> openai.OpenAI:
        key = deployed.token(role)
        return openai.OpenAI(base_url=f"{origin_url}/v1", api_key=key, max_retries=0)

    short = {"model": MODEL, "input": "Why?", "max_output_tokens": 4}
    with client("user") as mine, client("user") as theirs, client("admin") as operator:
        whole = mine.responses.create(**short)  # vLLM stores answers unless it is told not to
        with mine.responses.create(**short, stream=True) as events:
            streamed = [event.response.id for event in events if hasattr(event, "response")][-1]
        began = mine.responses.create(
            model=MODEL, input="Why?", background=True, max_output_tokens=LONG,
            extra_body={"ignore_eos": True},
        )  # fmt: skip
        for answer in (whole.id, streamed, began.id):
            with pytest.raises(openai.NotFoundError):
                theirs.responses.retrieve(answer)
            with pytest.raises(openai.NotFoundError):
                theirs.responses.cancel(answer)
            with pytest.raises(openai.NotFoundError):
                theirs.responses.create(**short, previous_response_id=answer)
            assert operator.responses.retrieve(answer).id == answer
            assert mine.responses.retrieve(answer).id == answer
        next_one = mine.responses.create(**short, previous_response_id=whole.id)
        assert next_one.previous_response_id == whole.id
        assert mine.responses.cancel(began.id).status == "cancelled"
        for client_of_it in (mine, operator):
            with pytest.raises(openai.NotFoundError):
                client_of_it.responses.retrieve(whole.id[:-1] + "x")
        with pytest.raises(openai.APIStatusError):  # vLLM 0.32 deletes no answer
            mine.responses.delete(whole.id)
        assert mine.responses.retrieve(whole.id).id == whole.id


def test_metrics_for_a_monitoring_system(redeployable: Service, deployed: Service) -> None:
    with extra_role(deployed, "monitoring", groups=["metrics", "describe"]) as headers:
        answer = httpx.get(f"{deployed.url}/metrics", headers=headers, follow_redirects=True)
        assert "vllm:num_requests_running" in answer.text
        for path in ("/v1/models", "/load", "/server_info"):
            assert httpx.get(deployed.url + path, headers=headers).status_code == 403, path
