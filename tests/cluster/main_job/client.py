"""A user of the API who logs in and chats, also continuously while something is changed."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

QUESTION = "What is the cache for?"


@dataclass(frozen=True)
class Client:
    """One user with a token, at one model's route."""

    base: str
    model: str
    token: str

    @classmethod
    def of(cls, outputs: dict[str, Any], model: str, user: str, password: str) -> "Client":
        base = outputs["apiUrl"] + outputs["models"][model]["route_prefix"].rstrip("/")
        answer = httpx.post(
            f"{base}/token",
            files={"username": (None, user), "password": (None, password)},
            timeout=30,
            trust_env=False,
        )
        return cls(base, model, answer.raise_for_status().json()["access_token"])

    def chat(self, question: str = QUESTION, tokens: int = 48) -> str:
        """The streamed answer's text; `httpx.HTTPError` when it is incomplete."""
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": tokens,
            "temperature": 0,
            "stream": True,
        }
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.base}/v1/chat/completions"
        text, ended = "", False
        with httpx.stream(
            "POST", url, json=body, headers=headers, timeout=60, trust_env=False
        ) as answer:
            if answer.status_code != 200:
                answer.read()
                raise httpx.HTTPStatusError(
                    f"{answer.status_code}: {answer.text[:500]}",
                    request=answer.request,
                    response=answer,
                )
            for line in answer.iter_lines():
                if line == "data: [DONE]":
                    ended = True
                elif line.startswith("data: "):
                    for choice in json.loads(line.removeprefix("data: "))["choices"]:
                        text += choice["delta"].get("content") or ""
        if not ended:
            raise httpx.ReadError("the stream ended without [DONE]")
        return text


@dataclass
class Load:
    """The results of requests that were sent one after another, one every two seconds.

    vLLM's worker spins for a second after each request. More frequent requests would occupy one of
    two cores, and the tests would measure that as well.
    """

    answers: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def constant_load(client: Client) -> Iterator[Load]:
    """Send requests to one model while the block runs."""
    load, stop = Load(), threading.Event()

    def work() -> None:
        while not stop.is_set():
            began = time.monotonic()
            try:
                client.chat(tokens=16)
                load.answers += 1
            except httpx.HTTPError as error:
                load.failures.append(f"{type(error).__name__}: {error}")
            stop.wait(max(0.0, 2.0 - (time.monotonic() - began)))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield load
    finally:
        stop.set()
        thread.join()
