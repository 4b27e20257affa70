"""Messages on which vLLM would fail are refused by field; similar ones are left to vLLM."""

from typing import Any

import pytest

from app.errors import RefusedError
from app.guard import vllm_bugs

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


def assistant(*content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(content), **fields}


def user(*content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content), **fields}


def returned(output: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": "1", "output": output, **fields}


TEXT = {"type": "output_text", "text": "x"}
REFUSAL = {"type": "refusal", "refusal": "x"}
AUDIO = {"type": "input_audio", "input_audio": "AAAA"}


@pytest.mark.parametrize(
    ("template", "document", "param"),
    [
        (RESPONSES, {"input": [assistant()]}, "input[0].content"),
        (RESPONSES, {"input": [user("x"), assistant()]}, "input[0].content[0]"),
        (RESPONSES, {"input": [user(TEXT), assistant(REFUSAL, TEXT)]}, "input[1].content[0]"),
        (RESPONSES, {"input": [user(None, id="x")]}, "input[0].content[0]"),
        (RESPONSES, {"input": [user(TEXT, [], id="x")]}, "input[0].content[1]"),
        (RESPONSES, {"input": [user(AUDIO, id="x")]}, "input[0].content[0].input_audio"),
        (RESPONSES, {"input": [returned([TEXT], created_by="x")]}, "input[0].created_by"),
        (RESPONSES, {"input": [{"id": "x"}]}, "input[0]"),
        (RESPONSES, {"input": [{"role": "user"}]}, "input[0]"),
        (CHAT, {"messages": [user(TEXT, AUDIO)]}, "messages[0].content[1].input_audio"),
        (CHAT, {"messages": [[user(TEXT)], [user(1)]]}, "messages[1][0].content[0]"),
    ],
)
def test_a_message_that_vllm_fails_on_is_refused_by_its_field(
    template: str, document: Any, param: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        vllm_bugs.check(document, template)
    assert refused.value.status == 400
    assert refused.value.code == "unsupported_message"
    assert refused.value.param == param
    assert refused.value.message.startswith(f"'{param}' ")


@pytest.mark.parametrize(
    ("template", "document"),
    [
        (RESPONSES, {"input": "x"}),
        (RESPONSES, {"input": None}),
        (RESPONSES, {"input": [assistant(TEXT, REFUSAL), assistant(content="x")]}),
        (RESPONSES, {"input": [{"role": "assistant", "content": []}]}),
        (RESPONSES, {"input": [{"type": "reasoning", "summary": []}, "x", 1, None]}),
        (RESPONSES, {"input": [{"type": "item_reference", "id": "x"}]}),
        (RESPONSES, {"input": [returned([TEXT], id="x"), returned("x", created_by="x")]}),
        (CHAT, {"messages": [assistant(), assistant(REFUSAL), user("x", TEXT)]}),
        (CHAT, {"messages": [user({"input_audio": {"data": "AAAA", "format": "wav"}})]}),
        (CHAT, {"messages": "x"}),
        (CHAT, {}),
    ],
)
def test_other_messages_are_left_to_the_engine(template: str, document: Any) -> None:
    vllm_bugs.check(document, template)
