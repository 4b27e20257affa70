"""The clients of today against the real engine: Anthropic's, LangChain, LiteLLM, Open WebUI's
requests, and agents whose tools read the web.

`test_openai_client.py` and `test_calls.py` have the OpenAI client itself. The model is too small to
choose a tool and to fill in its arguments, so the tests force or give the calls.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import langchain_openai
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from bench.serving.cluster import ROOT
from bench.serving.service import MODEL, Service

pytestmark = [pytest.mark.live]

QUESTION: Any = [{"role": "user", "content": "What is the cache for?"}]
TURNS = 10
PAGES = [f"https://example.com/page/{number}?next=https%3A%2F%2Fexample.org" for number in range(3)]
SCHEMA: Any = {
    "type": "object",
    "properties": {"url": {"type": "string", "enum": PAGES, "examples": [PAGES[0]]}},
    "required": ["url"],
    "additionalProperties": False,
}


def page(url: str) -> str:
    """What a web tool returns: a text with links."""
    return json.dumps({"url": url, "image_url": f"{url}/a.png", "text": f"See {url} and more."})


@pytest.fixture
def claude(service: Service) -> Iterator[anthropic.Anthropic]:
    """Anthropic's client, which sends the token as `x-api-key`."""
    with anthropic.Anthropic(
        base_url=service.url, api_key=service.token("user"), max_retries=0, timeout=60
    ) as client:
        yield client


def test_anthropics_client_asks_streams_and_counts(claude: anthropic.Anthropic) -> None:
    answer = claude.messages.create(model=MODEL, max_tokens=5, messages=QUESTION)
    assert answer.usage.output_tokens <= 5
    assert answer.content[0].type == "text"
    with claude.messages.stream(model=MODEL, max_tokens=5, messages=QUESTION) as stream:
        assert "".join(stream.text_stream)
    assert claude.messages.count_tokens(model=MODEL, messages=QUESTION).input_tokens > 5
    assert [model.id for model in claude.models.list().data] == [MODEL]


def test_anthropics_client_may_use_authorization(service: Service) -> None:
    with anthropic.Anthropic(
        base_url=service.url, auth_token=service.token("user"), api_key=None, max_retries=0
    ) as client:
        assert client.messages.create(model=MODEL, max_tokens=2, messages=QUESTION).content


@pytest.mark.parametrize(
    ("key", "changes", "error", "kind"),
    [
        ("sk-ant-api03-x", {}, anthropic.AuthenticationError, "authentication_error"),
        (None, {"max_tokens": 40_000}, anthropic.BadRequestError, "invalid_request_error"),
        (None, {"model": "none"}, anthropic.NotFoundError, "not_found_error"),
        (None, {"system": "x" * 5_000_000}, anthropic.APIStatusError, "request_too_large"),
    ],
)
def test_anthropics_errors_are_typed(
    service: Service, key: str | None, changes: dict[str, Any], error: type[Exception], kind: str
) -> None:
    given: dict[str, Any] = {"model": MODEL, "max_tokens": 2, "messages": QUESTION, **changes}
    with (
        anthropic.Anthropic(
            base_url=service.url, api_key=key or service.token("user"), max_retries=0, timeout=60
        ) as client,
        pytest.raises(error) as raised,
    ):
        client.messages.create(**given)
    assert isinstance(raised.value, anthropic.APIStatusError)
    body: Any = raised.value.body
    assert body["type"] == "error"
    assert body["error"]["message"]
    assert kind in (body["error"]["type"], "not_found_error")  # vLLM's own word is NotFoundError


def test_a_request_of_claude_code_passes(service: Service) -> None:
    """The form that the command line sends: a query, a system of parts, cache marks, metadata."""
    tools = [
        {"name": f"Tool{i}", "description": "d" * 1000, "input_schema": SCHEMA} for i in range(20)
    ]
    answer = httpx.post(
        f"{service.url}/v1/messages?beta=true",
        headers={
            "x-api-key": service.token("user"),
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
            "anthropic-dangerous-direct-browser-access": "true",
            "x-app": "cli",
            "x-stainless-lang": "js",
            "user-agent": "claude-cli/2.0.0 (external, cli)",
        },
        json={
            "model": MODEL,
            "max_tokens": 5,
            "system": [
                {"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}
            ],
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Why?", "cache_control": {"type": "ephemeral"}}
                    ],
                }
            ],
            "metadata": {"user_id": "user_1_account__session_2"},
            "tools": tools,
            "stream": True,
        },
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    assert "event: message_start" in answer.text
    assert "event: message_stop" in answer.text


def test_langchain_asks_streams_and_runs_an_agent(service: Service) -> None:
    chat = langchain_openai.ChatOpenAI(
        model=MODEL,
        base_url=f"{service.url}/v1",
        api_key=service.token("user"),
        max_tokens=200,
        temperature=0,
        max_retries=0,
    )
    assert chat.invoke("Why?").usage_metadata["output_tokens"] > 0
    assert "".join(chunk.text for chunk in chat.stream("Why?"))
    tool = {"name": "fetch_page", "description": "Reads a page.", "parameters": SCHEMA}
    agent = chat.bind_tools([tool], tool_choice="fetch_page")
    messages: list[Any] = [HumanMessage("Why?")]
    for turn in range(3):
        assert agent.invoke(messages).usage_metadata["output_tokens"] > 0
        call = {"name": "fetch_page", "args": {"url": PAGES[turn]}, "id": f"call_{turn}"}
        messages.append(AIMessage("", tool_calls=[call]))
        messages.append(ToolMessage(page(PAGES[turn]), tool_call_id=f"call_{turn}"))
    structured = chat.with_structured_output(
        {"title": "page", "description": "A page.", **SCHEMA}, method="json_schema"
    )
    assert structured.invoke("Why?")["url"] in PAGES


@pytest.mark.parametrize(("provider", "path"), [("openai", "/v1"), ("anthropic", "")])
def test_litellm_asks_and_streams(service: Service, provider: str, path: str) -> None:
    given = {
        "model": f"{provider}/{MODEL}",
        "api_base": service.url + path,
        "api_key": service.token("user"),
        "messages": QUESTION,
        "max_tokens": 5,
        "num_retries": 0,
    }
    asked = subprocess.run(
        [sys.executable, "-m", "tests.app_live.litellm_calls"],
        cwd=ROOT, input=json.dumps(given), check=True, capture_output=True, text=True, timeout=180,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},  # it would fetch a list
    )  # fmt: skip
    answer, streamed = json.loads(asked.stdout.splitlines()[-1])
    assert answer
    assert streamed


OPEN_WEBUI: list[dict[str, Any]] = [
    {"stream": True, "model": MODEL, "messages": QUESTION, "max_tokens": 5},
    {
        "stream": True,
        "model": MODEL,
        "messages": [{"role": "system", "content": "User Context: ..."}, *QUESTION],
        "tools": [
            {
                "type": "function",
                "function": {"name": name, "description": "d" * 500, "parameters": SCHEMA},
            }
            for name in ("search_web", "fetch_url", "get_current_timestamp", "add_memory")
        ],
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
    },
    *(
        {
            "model": MODEL,
            "messages": [{"role": "user", "content": f"### Task:\nGenerate {what}.\n### Output:"}],
            "stream": False,
            field: 5,
        }
        for what, field in (
            ("a concise title", "max_completion_tokens"),
            ("3-5 relevant follow-up questions", "max_tokens"),
            ("1-3 broad tags", "max_tokens"),
        )
    ),
]


def test_the_requests_of_open_webui_pass(service: Service, base: str) -> None:
    """Open WebUI 0.12.4 lists the models, and sends four requests per message by default."""
    headers = {
        **service.headers(),
        "Content-Type": "application/json",
        "User-Agent": "Python/3.11 aiohttp/3.14.5",
        "X-OpenWebUI-User-Name": "Ada%20L",
        "X-OpenWebUI-User-Id": "0b3d8e0e-7f6f-4a7e-9a1c-4bb0c0f2e5a1",
        "X-OpenWebUI-User-Email": "ada@example.com",
        "X-OpenWebUI-User-Role": "user",
        "X-OpenWebUI-User-Jwt": "e30.e30.e30",
    }
    with httpx.Client(base_url=f"{base}/v1", headers=headers, timeout=60) as client:
        assert [model["id"] for model in client.get("/models").json()["data"]] == [MODEL]
        for body in OPEN_WEBUI:
            answer = client.post("/chat/completions", json=body)
            assert answer.status_code == 200, answer.text
            if body["stream"]:
                assert answer.text.rstrip().endswith("data: [DONE]")
            else:
                assert answer.json()["choices"]


def test_an_agent_reads_the_web_over_ten_turns(service: Service) -> None:
    """OpenAI's form: calls with an address as text, and results with addresses."""
    tool: Any = {
        "type": "function",
        "function": {"name": "fetch_page", "parameters": SCHEMA},
    }
    messages: list[Any] = [*QUESTION]
    with openai.OpenAI(
        base_url=f"{service.url}/v1", api_key=service.token("user"), max_retries=0, timeout=60
    ) as client:
        for turn in range(TURNS):
            answer = client.chat.completions.create(
                model=MODEL,
                messages=messages,
                tools=[tool],
                tool_choice={"type": "function", "function": {"name": "fetch_page"}},
                max_tokens=100,
            )
            message = answer.choices[0].message
            url = PAGES[turn % len(PAGES)]
            call = {
                "id": f"call_{turn}",
                "type": "function",
                "function": {"name": "fetch_page", "arguments": json.dumps({"url": url})},
            }
            messages.append({**message.model_dump(exclude_none=True), "tool_calls": [call]})
            text = page(url)
            content: Any = text if turn % 2 else [{"type": "text", "text": text}]
            messages.append({"role": "tool", "tool_call_id": f"call_{turn}", "content": content})
    assert len(messages) == 1 + 2 * TURNS


def test_an_agent_of_anthropics_form_reads_the_web_over_ten_turns(
    claude: anthropic.Anthropic,
) -> None:
    """The input of a `tool_use` is an object with an address, which nobody fetches.

    Anthropic's form cannot oblige vLLM 0.32 to follow the schema, so the calls are given.
    """
    messages: list[Any] = [*QUESTION]
    for turn in range(TURNS):
        url = PAGES[turn % len(PAGES)]
        call = {"type": "tool_use", "id": f"toolu_{turn}", "name": "fetch_page"}
        text = page(url)
        content: Any = text if turn % 2 else [{"type": "text", "text": text}]
        result = {"type": "tool_result", "tool_use_id": f"toolu_{turn}", "content": content}
        messages += [
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Let me see."},
                    {**call, "input": {"url": url}},
                ],
            },
            {"role": "user", "content": [result]},
        ]
        answer = claude.messages.create(
            model=MODEL,
            max_tokens=5,
            messages=messages,
            tools=[{"name": "fetch_page", "description": "Reads.", "input_schema": SCHEMA}],
        )
        assert answer.usage.output_tokens > 0


def test_an_agent_of_the_responses_api_reads_the_web_over_ten_turns(service: Service) -> None:
    items: list[Any] = [*QUESTION]
    tool: Any = {"type": "function", "name": "fetch_page", "parameters": SCHEMA, "strict": True}
    with openai.OpenAI(
        base_url=f"{service.url}/v1", api_key=service.token("user"), max_retries=0, timeout=60
    ) as client:
        for turn in range(TURNS):
            url = PAGES[turn % len(PAGES)]
            # vLLM reads back the calls of earlier turns; this model would not make them itself.
            items += [
                {
                    "type": "function_call",
                    "call_id": f"call_{turn}",
                    "name": "fetch_page",
                    "arguments": json.dumps({"url": url}),
                },
                {"type": "function_call_output", "call_id": f"call_{turn}", "output": page(url)},
            ]
            answer = client.responses.create(
                model=MODEL, input=items, tools=[tool], max_output_tokens=5
            )
            assert answer.usage is not None
            assert answer.usage.output_tokens > 0
