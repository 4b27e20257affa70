"""Messages that vLLM 0.32 takes and then fails on, refused by the name of the field.

vLLM answers 400 to most of what it cannot read. What is listed here passes its checks and ends in
an AttributeError, IndexError, KeyError or AssertionError: a 500 for a client's mistake, with a
traceback in the log. Found by reading `entrypoints/openai/responses` and `renderers/chat_utils.py`
and by sending random messages to the real engine (tests/app_live/test_messages.py); everything else
is left to vLLM.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from app.errors import RefusedError

RESPONSES = "/v1/responses"


def check(document: Mapping[str, Any], template: str) -> None:
    """RefusedError 400 for a message that vLLM cannot read; `template` is the route's."""
    if template == RESPONSES:
        for where, item in _each("input", document.get("input")):
            _item(where, item)
            _parts(where, item, text_is_a_part=False)
    for where, message in _each("messages", document.get("messages")):
        _parts(where, message, text_is_a_part=True)


def _each(name: str, given: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The messages with their places; also those of a batch, which is a list of conversations."""
    for index, item in enumerate(given if type(given) is list else ()):
        if type(item) is dict:
            yield f"{name}[{index}]", item
        elif type(item) is list:
            yield from _each(f"{name}[{index}]", item)


def _item(where: str, item: Mapping[str, Any]) -> None:
    """An item of the responses interface, as vLLM reads it without a look at what it has."""
    kind = item.get("type")
    if kind == "function_call_output" and "created_by" in item and type(item.get("output")) is list:
        # The field makes pydantic choose a class for the parts, which vLLM wants as plain objects.
        place = f"{where}.created_by"
        raise _unsupported(place, "cannot be with an output of parts; leave it out")
    if kind is None and ("role" not in item or "content" not in item):
        # With a model of gpt-oss's kind; with others vLLM refuses it itself.
        raise _unsupported(where, "has neither a type nor the role and content of a message")
    if kind != "message" or item.get("role") != "assistant":
        return
    content = item.get("content")
    if content == []:
        raise _unsupported(f"{where}.content", "is empty; give a text or output_text parts")
    if type(content) is list and type(content[0]) is dict and content[0].get("type") == "refusal":
        where = f"{where}.content[0]"
        raise _unsupported(where, "is a refusal; give its text as an output_text part")


def _parts(where: str, message: Mapping[str, Any], text_is_a_part: bool) -> None:
    content = message.get("content")
    if type(content) is not list:
        return
    for index, part in enumerate(content):
        if type(part) is not dict:
            if text_is_a_part and type(part) is str:
                continue
            raise _unsupported(f"{where}.content[{index}]", "is not an object with a type")
        audio = part.get("input_audio")
        if audio and type(audio) is not dict:
            place = f"{where}.content[{index}].input_audio"
            raise _unsupported(place, "is not an object with data and format")


def _unsupported(param: str, what: str) -> RefusedError:
    return RefusedError(400, "unsupported_message", f"{param!r} {what}.", param=param)
