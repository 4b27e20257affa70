"""An embedding model: other routes of the same application, and their limits."""

import httpx
import openai
import pytest

from bench.serving.service import MODEL, Service

pytestmark = [pytest.mark.live]

# The vector is the last hidden state of the tiny model; any model suffices for these routes.
VECTORS = """{"runner": "pooling", "convert": "embed",
    "hf_overrides": {"max_position_embeddings": 16384}}"""
TEXTS = ["What is the cache for?", "What is a limit good for?"]


def test_embeddings_scores_and_ranks_come_from_vllm(redeployable: Service) -> None:
    service = redeployable
    service.deploy(ENGINE_ARGS=VECTORS)  # /ready: a first vector came
    headers = service.headers()
    with openai.OpenAI(
        base_url=f"{service.url}/v1", api_key=headers["Authorization"].removeprefix("Bearer ")
    ) as client:
        answer = client.embeddings.create(model=MODEL, input=TEXTS, encoding_format="float")
    first, second = (item.embedding for item in answer.data)
    assert len(first) == len(second) > 100
    assert first != second
    assert answer.usage.prompt_tokens > 0
    with httpx.Client(base_url=service.url, headers=headers, timeout=60) as http:
        query = {"model": MODEL, "query": TEXTS[0], "documents": TEXTS}
        for path in ("/v1/rerank", "/v2/rerank", "/rerank"):
            ranked = http.post(path, json=query).raise_for_status().json()["results"]
            assert ranked[0]["index"] == 0  # the text itself is the most similar one
        pair = {"model": MODEL, "text_1": TEXTS[0], "text_2": TEXTS}
        scores = http.post("/v1/score", json=pair).raise_for_status().json()["data"]
        assert scores[0]["score"] > scores[1]["score"]
        pooled = http.post("/pooling", json={"model": MODEL, "input": TEXTS[0]})
        assert pooled.status_code == 200
        tokenized = http.post("/tokenize", json={"model": MODEL, "prompt": "one card"})
        assert tokenized.json()["count"] > 0
        chat = {"model": MODEL, "messages": [{"role": "user", "content": "Why?"}]}
        answer_to_chat = http.post("/v1/chat/completions", json=chat)
        assert answer_to_chat.status_code == 404
        assert answer_to_chat.json()["error"]["message"]
        assert http.post("/pause", json={}).status_code == 403
        too_many = http.post("/v1/embeddings", json={"model": MODEL, "input": ["x"] * 2049})
        assert (too_many.status_code, too_many.json()["error"]["param"]) == (400, "input")
    marks = service.log_marks()
    counted = httpx.post(
        f"{service.url}/v1/embeddings", json={"model": MODEL, "input": TEXTS}, headers=headers
    )
    line = service.logged(f"id={counted.headers['x-request-id']}", marks, 5)
    assert f"prompt_tokens={counted.json()['usage']['prompt_tokens']} " in line
