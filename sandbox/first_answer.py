"""Logs in and streams a chat through the API's Service, as a first client would."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from toolchain.errors import CommandError

QUESTION = "How much memory does a model need?"
MAX_TOKENS = 96
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """`tokens` as counted by the engine; seconds from the request to the first and last token."""

    text: str
    tokens: int
    first_token_seconds: float
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds


def ask(outputs: dict[str, Any], question: str = QUESTION) -> Iterator[str | Answer]:
    """Yield the answer's pieces as they arrive, then the `Answer`.

    `outputs` are the stack's. The first user with a generated password asks the first model.
    """
    if not outputs["passwords"]:
        raise CommandError(
            "The stack generated no password, so this program cannot log in: every user's hash is "
            "in rayline:userHashes.",
            "Remove one user's hash there, or log in with your own password: "
            "make pulumi DO='stack output curl'",
        )
    user, password = next(iter(outputs["passwords"].items()))
    model, served = next(iter(outputs["models"].items()))
    base = outputs["apiUrl"] + served["route_prefix"].rstrip("/")
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            yield from _chat(client, base, model, _login(client, base, user, password), question)
    except httpx.HTTPError as error:
        raise CommandError(
            f"The chat with {base} failed: {error!r}",
            'See the pods: eval "$(make -s sandbox-env)"; kubectl get pods -A',
        ) from None


def _login(client: httpx.Client, base: str, user: str, password: str) -> str:
    answer = client.post(f"{base}/token", data={"username": user, "password": password})
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def _chat(
    client: httpx.Client, base: str, model: str, token: str, question: str
) -> Iterator[str | Answer]:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    headers = {"Authorization": f"Bearer {token}"}
    started = time.monotonic()
    first, tokens, text = 0.0, 0, ""
    with client.stream("POST", f"{base}/v1/chat/completions", json=body, headers=headers) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            event = json.loads(line.removeprefix("data: "))
            tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
            for choice in event["choices"]:
                if piece := choice["delta"].get("content"):
                    first = first or time.monotonic() - started
                    text += piece
                    yield piece
    yield Answer(text, tokens, first, time.monotonic() - started)
