"""Refuses messages that vLLM 0.32 accepts and then fails on, and names the field.

vLLM answers 400 to most of what it cannot read. The messages listed here pass its checks and end in
an AttributeError, IndexError, KeyError or AssertionError: a 500 for a client's mistake, with a
traceback in the log. They were found by reading `entrypoints/openai/responses` and
`renderers/chat_utils.py` and by sending random messages to the real engine
(tests/app_live/test_messages.py). Everything else is left to vLLM.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from app.errors import RefusedError

RESPONSES = "/v1/responses"


def check(document: Mapping[str, Any], template: str) -> None:
    """Raise RefusedError 400 for a message that vLLM would fail on; `template` is the route's."""
    if template == RESPONSES:
        for where, item in _messages("input", document.get("input")):
            _check_response_item(where, item)
            _check_parts(where, item, text_is_a_part=False)
    for where, message in _messages("messages", document.get("messages")):
        _check_parts(where, message, text_is_a_part=True)


def _messages(name: str, given: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The messages and where they are; a batch is a list of conversations."""
    for index, item in enumerate(given if type(given) is list else ()):
        if type(item) is dict:
            yield f"{name}[{index}]", item
        elif type(item) is list:
            yield from _messages(f"{name}[{index}]", item)


def _check_response_item(where: str, item: Mapping[str, Any]) -> None:
    """An item of the Responses API whose fields vLLM reads without checking that they exist."""
    kind = item.get("type")
    if kind == "function_call_output" and "created_by" in item and type(item.get("output")) is list:
        # The field makes pydantic choose a class for the parts, but vLLM expects plain objects.
        place = f"{where}.created_by"
        raise _unsupported(place, "cannot be combined with an output of parts; omit it")
    if kind is None and ("role" not in item or "content" not in item):
        # Only models of the gpt-oss kind fail; for others vLLM refuses it itself.
        raise _unsupported(where, "has neither a type nor the role and content of a message")
    if kind != "message" or item.get("role") != "assistant":
        return
    content = item.get("content")
    if content == []:
        raise _unsupported(f"{where}.content", "is empty; send a text or output_text parts")
    if type(content) is list and type(content[0]) is dict and content[0].get("type") == "refusal":
        where = f"{where}.content[0]"
        raise _unsupported(where, "is a refusal; send its text as an output_text part")


def _check_parts(where: str, message: Mapping[str, Any], text_is_a_part: bool) -> None:
    content = message.get("content")
    if type(content) is not list:
        return
    for index, part in enumerate(content):
        if type(part) is not dict:
            if text_is_a_part and type(part) is str:
                continue
            raise _unsupported(f"{where}.content[{index}]", "must be an object with a type")
        audio = part.get("input_audio")
        if audio and type(audio) is not dict:
            place = f"{where}.content[{index}].input_audio"
            raise _unsupported(place, "must be an object with data and format")


def _unsupported(param: str, problem: str) -> RefusedError:
    return RefusedError(400, "unsupported_message", f"{param!r} {problem}.", param=param)
