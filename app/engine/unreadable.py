"""Answers 400 where vLLM fails while it reads a message, instead of 500.

vLLM 0.32 refuses most of what it cannot read. Some messages pass its checks, and the code that
turns them into a prompt then fails with an AttributeError, IndexError, KeyError or AssertionError:
a client's mistake, answered like a fault of the server and with a traceback in the log. These four
errors, raised by that code itself before the engine has the request, become a 400 that names the
field with the messages. Everything else stays vLLM's own error.
"""

import logging
from typing import Any

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response

from app.engine import cancellation
from app.errors import RefusedError

_log = logging.getLogger("rayline.engine")

ERRORS = (AttributeError, IndexError, KeyError, AssertionError)
# The code that does nothing but read messages.
READERS = (
    "vllm/renderers/chat_utils.py",
    "vllm/entrypoints/openai/parser/harmony_utils.py",
    "vllm/entrypoints/openai/responses/harmony.py",
    "vllm/entrypoints/openai/responses/utils.py",
    "vllm/tool_parsers/utils.py",
)


def answer_unreadable(application: Any) -> None:
    """Install the answer; must run before the application's first request."""
    for error in ERRORS:
        application.add_exception_handler(error, _answer)
    # vLLM's application has its stack already (`model_hosting_container_standards` builds it), and
    # a stack keeps the handlers that it was built with. Another stack would count no requests,
    # because the one that is there has registered the metrics.
    part = application.middleware_stack
    while part is not None and not isinstance(part, ExceptionMiddleware):
        part = getattr(part, "app", None)
    if part is not None:
        for error in ERRORS:
            part.add_exception_handler(error, _answer)
    elif application.middleware_stack is not None:
        _log.error("Messages that vLLM cannot read are answered with 500: no place for a handler.")


async def _answer(request: Request, error: Exception) -> Response:
    place = _place(error)
    generations = cancellation.current.get()
    if not place.partition(":")[0].endswith(READERS) or (generations and generations.ids):
        raise error  # vLLM's own handler answers it and logs the traceback
    field = "input" if request.scope["path"].endswith("/responses") else "messages"
    # Without the error's text and the traceback's values, which may contain a prompt.
    _log.warning("vLLM could not read %s: %s at %s", field, type(error).__name__, place)
    text = f"{field!r} contains a message or a content part that vLLM cannot read."
    refusal = RefusedError(400, "unsupported_message", text, param=field)
    return Response(refusal.body(), 400, media_type="application/json")


def _place(error: Exception) -> str:
    """File and line of the code that raised the error, or that asked a pydantic model for a field
    that it does not have."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/pydantic/" not in file:
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
