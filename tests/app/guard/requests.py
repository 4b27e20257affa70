"""Parts of requests that several tests of the guard send."""

from typing import Any

from tests.app.calls import post
from tests.app.conftest import Service

EVIL, PICTURE = "https://evil.example/a", "data:image/png;base64,AA"


def deep(levels: int) -> Any:
    """A value inside this many lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def message(*parts: Any) -> dict[str, Any]:
    """A chat request whose one message has these content parts."""
    return {"messages": [{"role": "user", "content": list(parts)}]}


def image(url: Any) -> dict[str, Any]:
    """A chat request with one image in OpenAI's form."""
    return message({"type": "image_url", "image_url": {"url": url}})


def claude(*blocks: Any) -> dict[str, Any]:
    """A request to Anthropic's route whose one message has these blocks."""
    return {"max_tokens": 5, "messages": [{"role": "user", "content": list(blocks)}]}


def refusal(service: Service, path: str, fields: dict[str, Any], user: str = "bob") -> str:
    """The field that a refusal names; "" for a request that reached the engine."""
    before = len(service.backend.calls)
    answer = post(service, path, user=user, json={"model": "tiny", **fields})
    if answer.status_code == 200:
        assert len(service.backend.calls) == before + 1
        return ""
    assert (answer.status_code, len(service.backend.calls)) == (400, before), answer.text
    assert answer.json()["error"]["code"] == "out_of_bounds"
    return str(answer.json()["error"]["param"] or "-")
