"""What a request would be for the engine, and what of it a role permits."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.access import roles
from app.access.permissions import Served
from app.errors import RefusedError
from app.guard.bounds import Bounds
from app.guard.cost import check, work
from tests.app.access.test_limits import roles as with_limits
from tests.app.calls import post
from tests.app.conftest import Service

CHAT, TEXT, BATCH = "/v1/chat/completions", "/v1/completions", "/v1/chat/completions/batch"
RESPONSES, MESSAGES, COHERE = "/v1/responses", "/v1/messages", "/cohere/v2/chat"
MESSAGE = {"role": "user", "content": "x"}


def judged(template: str, document: dict[str, Any], context: int | None = None) -> dict[str, Any]:
    """What is written into the document of a guest (1,024 completion tokens)."""
    served = Served(("tiny",), context, by_priority=False)
    return check.check(template, document, roles.DEFAULTS["guest"], Bounds(), served)[1]


@pytest.mark.parametrize(
    ("template", "document"),
    [
        (TEXT, {"prompt": ["x"] * 64, "n": 8, "max_tokens": 1024}),
        (TEXT, {"prompt": ["x"] * 64, "n": 1, "max_tokens": 17}),
        (TEXT, {"prompt": [[1, 2]] * 64, "max_tokens": 17}),
        (TEXT, {"prompt": ["x"] * 64, "n": 2}),  # vLLM's 16 tokens each
        (TEXT, {"prompt": ["x"] * 2, "prompt_embeds": ["x"] * 63, "max_tokens": 16}),
        (CHAT, {"n": 8, "max_completion_tokens": 129}),
        (CHAT, {"n": 8, "max_tokens": 129}),
        (CHAT, {"n": 8.0, "use_beam_search": True, "max_tokens": 1024}),
        (CHAT, {"best_of": 8, "max_tokens": 1024}),
        (CHAT, {"max_completion_tokens": 1, "max_tokens": 1025}),
        (BATCH, {"messages": [[MESSAGE]] * 64, "max_tokens": 17}),
        (BATCH, {"messages": [[MESSAGE]] * 1025}),
        (MESSAGES, {"max_tokens": 1025}),
        (RESPONSES, {"max_output_tokens": 1025}),
        (COHERE, {"max_tokens": 1025}),
        (CHAT, {"n": "8", "max_tokens": 1}),
    ],
)
def test_a_guest_cannot_have_more_completion_tokens_in_one_request_than_its_role_allows(
    template: str, document: dict[str, Any]
) -> None:
    """64 prompts with 8 answers of 1,024 tokens were 524,288 tokens of a guest."""
    with pytest.raises(RefusedError) as refused:
        judged(template, document)
    assert refused.value.status == 400
    assert "1024" in refused.value.message or "integer" in refused.value.message


@pytest.mark.parametrize(
    ("template", "document", "written"),
    [
        (TEXT, {"prompt": ["x"] * 64, "max_tokens": 16}, {}),
        (TEXT, {"prompt": ["x"] * 64}, {}),
        (TEXT, {"prompt": [1, 2, 3], "max_tokens": 1024}, {}),
        (TEXT, {"prompt": ["x"] * 64, "max_tokens": None}, {"max_tokens": 16}),
        (TEXT, {"prompt": ["x"] * 2, "n": 8, "max_tokens": None}, {"max_tokens": 64}),
        (CHAT, {"n": 8}, {"max_completion_tokens": 128}),
        (CHAT, {"n": None}, {"max_completion_tokens": 1024}),
        (CHAT, {"n": 8, "max_tokens": 128}, {}),
        # Another route's fields neither cap nor multiply: vLLM ignores them here.
        (CHAT, {"max_output_tokens": 1}, {"max_completion_tokens": 1024}),
        (CHAT, {"prompt": ["x"] * 64}, {"max_completion_tokens": 1024}),
        (RESPONSES, {"max_tokens": 1}, {"max_output_tokens": 1024}),
        (RESPONSES, {"max_completion_tokens": 1}, {"max_output_tokens": 1024}),
        (TEXT, {"max_completion_tokens": 1, "max_tokens": None}, {"max_tokens": 1024}),
        (COHERE, {"max_completion_tokens": 1}, {"max_tokens": 1024}),
        (BATCH, {"messages": [[MESSAGE]] * 64}, {"max_completion_tokens": 16}),
        (MESSAGES, {"max_tokens": 1024}, {}),
        (MESSAGES, {}, {}),  # vLLM requires one, and refuses the request
        ("/v1/embeddings", {"input": ["x"] * 2048}, {}),
    ],
)
def test_an_absent_cap_counts_as_what_vllm_would_take_and_is_written(
    template: str, document: dict[str, Any], written: dict[str, int]
) -> None:
    assert judged(template, document) == written


def test_a_context_below_the_cap_needs_no_cap() -> None:
    assert judged(CHAT, {"n": 8}, context=128) == {}
    assert judged(CHAT, {"n": 8}, context=129) == {"max_completion_tokens": 128}


def test_the_refusal_says_what_each_answer_may_have() -> None:
    with pytest.raises(RefusedError) as refused:
        judged(TEXT, {"prompt": ["x"] * 64, "n": 8, "max_tokens": 1024})
    assert refused.value.message == (
        "'max_tokens' is 1024 for each of 512 answers; your role allows at most 1024 in one "
        "request, so 2 for each answer."
    )


def test_the_service_bounds_a_request_over_all_its_answers(make: Callable[..., Service]) -> None:
    service = make(with_limits(max_tokens=100))
    body = {"prompt": ["x"] * 4, "max_tokens": 26}
    assert post(service, TEXT, json=body).status_code == 400
    assert service.backend.calls == []
    assert post(service, TEXT, json={**body, "max_tokens": None}).status_code == 200
    assert json.loads(service.backend.calls[0][2])["max_tokens"] == 25


SCORE, RERANK = "/score", "/v2/rerank"
LONG = "x" * 10_000


@pytest.mark.parametrize(
    ("template", "document"),
    [
        (RERANK, {"query": LONG, "documents": ["x"] * 2000}),
        (RERANK, {"query": [{"type": "text", "text": LONG}], "documents": ["x"] * 2000}),
        (RERANK, {"query": list(range(10_000)), "documents": ["x"] * 2000}),
        (RERANK, {"query": "x", "documents": ["x"] * 2000, "instruction": LONG}),
        (
            RERANK,
            {"query": "x", "documents": ["x"] * 2000, "chat_template_kwargs": {"i": [LONG]}},
        ),
        (SCORE, {"queries": [LONG], "documents": ["x"] * 2000}),
        (SCORE, {"text_1": LONG, "text_2": ["x"] * 2000}),
        (SCORE, {"data_1": ["x"] * 2000, "data_2": LONG}),
        (SCORE, {"queries": LONG, "items": ["x"] * 2000}),
        ("/generative_scoring", {"query": LONG, "items": ["x"] * 2000}),
        ("/v1/systemone", {"state": LONG * 30, "questions": {str(i): {} for i in range(64)}}),
        (BATCH, {"messages": [[MESSAGE]] * 64, "chat_template_kwargs": {"x": LONG * 30}}),
    ],
)
def test_a_text_that_vllm_repeats_counts_as_often_as_it_is_repeated(
    template: str, document: dict[str, Any]
) -> None:
    """A 10 KB query and 2,000 documents are 20 MB of prompts in a body of 30 KB."""
    with pytest.raises(RefusedError, match="allowed: 16777216"):
        judged(template, document)


@pytest.mark.parametrize(
    ("template", "document"),
    [
        (RERANK, {"query": "x" * 500, "documents": ["y" * 1000] * 1000}),
        (SCORE, {"queries": ["x" * 500] * 1000, "documents": ["y" * 500] * 1000}),
        ("/v1/systemone", {"state": LONG, "questions": {str(i): {} for i in range(64)}}),
        ("/v1/embeddings", {"input": [LONG] * 2048}),
    ],
)
def test_usual_pairs_pass(template: str, document: dict[str, Any]) -> None:
    assert judged(template, document) == {}


@pytest.mark.parametrize("prompt", [[7] * 65, [[7], [7] * 65]])
def test_token_ids_that_exceed_the_context_never_reach_the_engine(prompt: list[Any]) -> None:
    with pytest.raises(RefusedError, match="has 65 tokens; the context of the model has 64"):
        judged(TEXT, {"prompt": prompt, "max_tokens": 1}, context=64)
    assert judged(TEXT, {"prompt": prompt, "truncate_prompt_tokens": 9}, context=64) == {}


def test_every_generating_route_has_its_caps() -> None:
    assert work.of("/v1/embeddings", {"n": 8, "max_tokens": 5}).answers == 1
    assert set(work.CAPS) == {
        CHAT, BATCH, TEXT, RESPONSES, MESSAGES, COHERE, "/v1/audio/transcriptions",
        "/v1/audio/translations",
    }  # fmt: skip
