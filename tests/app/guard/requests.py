"""Parts of requests that several tests of the guard send."""

from typing import Any


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
