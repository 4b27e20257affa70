"""An answer in the background takes its place, and is counted and logged, until it is complete."""

import logging
from typing import Any

import pytest

from app.usage import Usage, current
from tests.app.calls import post
from tests.app.conftest import Service
from tests.app.stub import described


def test_a_place_is_free_and_tokens_are_counted_only_at_the_end_of_the_work(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    works: list[Usage] = []

    async def engine(scope: Any, receive: Any, send: Any) -> None:
        usage = current.get()
        assert usage is not None
        usage.background_began()
        works.append(usage)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    service.backend.app = described(engine)
    body = {"model": "tiny", "input": "hi", "background": True}
    with caplog.at_level(logging.INFO, "rayline"):
        for _ in range(2):  # the places of a guest
            assert post(service, "/v1/responses", "gina", json=body).status_code == 200
        assert service.guard.running == 2
        refused = post(service, "/v1/responses", "gina", json=body)
        assert refused.headers["x-ratelimit-limit-name"] == "concurrent"
        for work in works:
            work.completion_tokens += 12_000
            work.background_ended()
    assert service.guard.running == 0
    spent = post(service, "/v1/responses", "gina", json=body)
    assert spent.headers["x-ratelimit-limit-name"] == "tokens_per_minute"
    lines = [r.getMessage() for r in caplog.records if r.name == "rayline.access"]
    assert [" completion_tokens=12000 end=complete " in line for line in lines] == [
        False, True, True,
    ]  # fmt: skip
