"""Random messages that no client should send, close enough to valid ones to get far into vLLM."""

import random
from typing import Any

TEXTS = ("", "x", "Hi", "{}", '{"a":1}', "null", "\0", "call_1", "\U0001f600")
PARTS = (
    *("text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text", "thinking"),
    *("tool_reference", "input_image", "input_file", "input_audio", "image_url", "audio_url"),
    *("video_url", "file", "image_pil", "image_embeds", "nothing"),
)
ROLES = ("assistant", "assistant", "user", "system", "developer", "tool", "function", "x", None, 1)
ITEMS = (
    *("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"),
    *("reasoning", "additional_tools", "item_reference", "file_search_call", "computer_call"),
    *("computer_call_output", "web_search_call", "code_interpreter_call", "local_shell_call"),
    *("shell_call_output", "mcp_call", "compaction", "image_generation_call", "program"),
)
STATUSES = ("completed", "in_progress", "incomplete", None, "x")
ODD: tuple[Any, ...] = ("s", 1, None, [], {}, True, 1.5)


def message(chance: random.Random) -> dict[str, Any]:
    """A message in two of three cases, otherwise another item of the Responses API."""
    if chance.random() < 0.65:
        made = {
            "type": "message",
            "role": chance.choice(ROLES),
            "content": content(chance),
            "id": text(chance),
            "status": chance.choice(STATUSES),
            "tool_calls": chance.choice(([], None, [{}], [None])),
            "reasoning": chance.choice((*TEXTS, None, [])),
        }
        rare = {"type": 0.5, "tool_calls": 0.1, "reasoning": 0.05, "status": 0.4, "id": 0.6}
        return some(chance, made, rare)
    made = {
        "type": chance.choice(ITEMS),
        "id": text(chance),
        "call_id": text(chance),
        "name": text(chance),
        "arguments": chance.choice((*TEXTS, {}, None)),
        "input": chance.choice((*TEXTS, {}, None)),
        "output": chance.choice((text(chance), content(chance))),
        "summary": chance.choice(([], [{"type": "summary_text", "text": "x"}], [part(chance)])),
        "content": content(chance),
        "status": chance.choice(STATUSES),
        "role": chance.choice(ROLES),
        "tools": [],
        "created_by": text(chance),
    }
    return some(chance, made, {"role": 0.1, "content": 0.4, "tools": 0.3, "created_by": 0.3})


def some(
    chance: random.Random, made: dict[str, Any], rare: dict[str, float], usual: float = 0.9
) -> dict[str, Any]:
    """Each field, with its probability of being present."""
    return {name: v for name, v in made.items() if chance.random() < rare.get(name, usual)}


def content(chance: random.Random) -> Any:
    parts = [part(chance) for _ in range(chance.choice((0, 1, 1, 1, 2)))]
    return chance.choice((text(chance), None, {}, 1, parts, parts, parts, parts))


def part(chance: random.Random) -> Any:
    if chance.random() < 0.08:
        return chance.choice(ODD)
    kind = chance.choice(PARTS)
    picture = "data:image/png;base64,aGk="
    made = {
        "type": kind,
        "text": text(chance) if chance.random() < 0.8 else chance.choice(ODD),
        "refusal": text(chance),
        "annotations": [],
        "image_url": chance.choice((picture, {"url": picture}, "", None)),
        "detail": chance.choice(("auto", None)),
        "input_audio": chance.choice((*ODD, {"data": "AAAA", "format": "wav"})),
        "name": text(chance),
        "uuid": text(chance),
    }
    rare = dict.fromkeys(("refusal", "image_url", "detail", "input_audio", "name", "uuid"), 0.12)
    return some(chance, made, {**rare, kind: 0.9, "annotations": 0.6}, 0.85)


def text(chance: random.Random) -> str:
    return chance.choice(TEXTS)
