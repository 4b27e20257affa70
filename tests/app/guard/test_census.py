"""Deny by default: every live route is classified, and new routes are closed."""

import pytest

from app.access import routes
from tests.app.conftest import Service, run
from tests.app.stub import UNLISTED

DANGEROUS = [
    "/pause",
    "/resume",
    "/sleep",
    "/wake_up",
    "/collective_rpc",
    "/update_weights",
    "/init_weight_transfer_engine",
    "/invocations",
    "/abort_requests",
    "/reset_prefix_cache",
    "/start_profile",
    "/scale_elastic_ep",
    "/metrics",
    "/server_info",
    "/load",
    "/v1/load_lora_adapter",
    "/inference/v1/generate",
    "/tokenizer_info",
]


def every_call(service: Service) -> list[tuple[str, str]]:
    calls = set()
    for method, path, _ in service.guard.routes():
        methods = ["GET", "POST", "PUT", "DELETE"] if method in ("*", "WEBSOCKET") else [method]
        calls |= {(m, path.replace("{response_id}", "resp_1")) for m in methods}
    return sorted(calls)


def test_without_a_token_every_route_but_the_public_ones_is_401(service: Service) -> None:
    async def calls() -> None:
        async with service.client() as client:
            for method, path in every_call(service):
                answer = await client.request(method, path)
                expected = 200 if (method, path) == ("GET", "/health") else 401
                assert answer.status_code == expected, (method, path)
            assert (await client.get("/ready")).status_code == 200
            assert (await client.post("/token")).status_code == 415

    run(calls())
    assert service.backend.calls == []


@pytest.mark.parametrize(("method", "path"), UNLISTED)
def test_a_new_route_is_closed_even_to_admin(service: Service, method: str, path: str) -> None:
    assert (method, path, "closed") in service.guard.routes()

    async def call() -> int:
        async with service.client() as client:
            answer = await client.request(method, path, headers=service.bearer("alice"), json={})
            return answer.status_code

    assert run(call()) in (404, 405)
    assert service.backend.calls == []


def test_the_census_lists_closed_routes(service: Service) -> None:
    closed = {(m, p) for m, p, group in service.guard.routes() if group == "closed"}
    heads = {("HEAD", p) for p in ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc")}
    assert closed == {*UNLISTED, ("WEBSOCKET", "/v1/realtime"), *heads}


@pytest.mark.parametrize("path", DANGEROUS)
def test_dangerous_routes_are_for_admin_only(service: Service, path: str) -> None:
    method = "POST" if ("POST", path) in routes.TABLE else "GET"
    assert routes.TABLE[method, path].group in (routes.OPERATE, routes.METRICS)

    async def call(user: str) -> int:
        async with service.client() as client:
            headers = service.bearer(user)
            return (await client.request(method, path, headers=headers)).status_code

    assert [run(call(user)) for user in ("bob", "gina")] == [403, 403]
    assert service.backend.calls == []
    assert run(call("alice")) in (200, 307, 404)


def test_user_reaches_what_vllm_serves(service: Service) -> None:
    paths = ("/v1/chat/completions", "/v1/embeddings", "/tokenize", "/v1/responses", "/v1/rerank")

    async def calls() -> None:
        async with service.client() as client:
            for path in paths:
                answer = await client.post(path, headers=service.bearer("bob"), json={})
                assert answer.status_code == 200, path
            answer = await client.get("/v1/models", headers=service.bearer("bob"))
            assert answer.status_code == 200

    run(calls())


def test_a_wrong_method_states_the_allowed_ones(service: Service) -> None:
    async def call() -> None:
        async with service.client() as client:
            for method in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH"):
                answer = await client.request(
                    method, "/v1/chat/completions", headers=service.bearer("bob")
                )
                assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

    run(call())
