"""A message on which vLLM fails is a 400; every other failure stays vLLM's own."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from app.engine import cancellation
from app.engine.cancellation import Generations
from app.engine.unreadable import answer_unreadable
from tests.app.conftest import run

READER = "/opt/vllm/lib/vllm/renderers/chat_utils.py"
FAILURES = {
    "AttributeError": "None.text",
    "IndexError": "[][0]",
    "KeyError": "{}['secret prompt']",
    "AssertionError": "(_ for _ in ()).throw(AssertionError('secret prompt'))",
    "ZeroDivisionError": "1 / 0",
    "RuntimeError": "(_ for _ in ()).throw(RuntimeError('x'))",
}


def failing(expression: str, file: str) -> Callable[[], Any]:
    """A function whose code is in this file and that fails."""
    space: dict[str, Any] = {}
    exec(compile(f"def fail():\n    if 1: raise_ = {expression}", file, "exec"), space)
    function: Callable[[], Any] = space["fail"]
    return function


def answered(fail: Callable[[], Any], path: str = "/v1/responses") -> httpx.Response:
    app = FastAPI()

    async def handler(request: Request) -> Any:
        return fail()

    async def vllms_own(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": {"message": "vLLM's"}}, 500)

    app.add_api_route(path, handler, methods=["POST"])
    app.exception_handler(Exception)(vllms_own)
    app.middleware_stack = app.build_middleware_stack()  # as vLLM's application has it
    answer_unreadable(app)

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(path)

    answer: httpx.Response = run(call())
    return answer


@pytest.mark.parametrize("kind", ["AttributeError", "IndexError", "KeyError"])
@pytest.mark.parametrize(
    ("path", "field"), [("/v1/responses", "input"), ("/v1/chat/completions", "messages")]
)
def test_a_message_that_vllm_fails_on_is_refused_by_its_field(
    kind: str, path: str, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = answered(failing(FAILURES[kind], READER), path)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == field
    assert answer.json()["error"]["code"] == "unsupported_message"
    assert "secret prompt" not in answer.text + caplog.text
    assert READER in caplog.text


@pytest.mark.parametrize("kind", ["ZeroDivisionError", "RuntimeError"])
def test_other_errors_of_the_same_code_are_not_hidden(kind: str) -> None:
    assert answered(failing(FAILURES[kind], READER)).status_code == 500


@pytest.mark.parametrize(
    "file", ["/opt/vllm/lib/vllm/v1/engine/async_llm.py", "/opt/transformers/tokenizer.py"]
)
def test_the_same_errors_of_other_code_are_not_hidden(file: str) -> None:
    for kind in ("AttributeError", "IndexError", "KeyError", "AssertionError"):
        answer = answered(failing(FAILURES[kind], file))
        assert (answer.status_code, answer.json()["error"]["message"]) == (500, "vLLM's")


def test_an_error_after_the_engine_has_the_request_is_not_hidden() -> None:
    running = Generations()
    running.ids.add("1")
    token = cancellation.current.set(running)
    try:
        assert answered(failing(FAILURES["KeyError"], READER)).status_code == 500
    finally:
        cancellation.current.reset(token)


def test_a_field_that_a_pydantic_model_does_not_have_is_the_readers_error() -> None:
    """pydantic raises it in its own code."""
    part = "__import__('pydantic').create_model('Refusal')().text"
    assert answered(failing(part, READER)).status_code == 400


def test_the_stack_that_is_there_is_kept() -> None:
    """vLLM's middleware registers its metrics once; that of a second stack would count nothing."""
    app = FastAPI()
    app.middleware_stack = built = app.build_middleware_stack()
    answer_unreadable(app)
    assert app.middleware_stack is built
