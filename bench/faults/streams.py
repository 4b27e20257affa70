"""One streamed chat: whether it was whole, refused or cut."""

import json

import httpx


def read(
    http: httpx.Client, base: str, body: dict[str, object], token: str, timeout: httpx.Timeout
) -> tuple[str, bool]:
    """The stream's failure in words, empty for a whole one, and whether it had begun."""
    opened = False
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with http.stream(
            "POST", f"{base}/v1/chat/completions", json=body, headers=headers, timeout=timeout
        ) as answer:
            if answer.status_code != 200:
                return f"status {answer.status_code}", False
            for line in answer.iter_lines():
                if line == "data: [DONE]":
                    return "", True
                if line.startswith("data: "):
                    opened = True
                    if "error" in json.loads(line.removeprefix("data: ")):
                        return "an error in the stream", True
    except httpx.HTTPError as error:
        return type(error).__name__, opened
    return "ended without [DONE]", opened


def new_connections(timeout: float) -> httpx.Client:
    """A client that opens a connection for each request, as many users do, and loads no
    certificates, which would cost 20 ms."""
    return httpx.Client(
        verify=False,
        trust_env=False,
        timeout=timeout,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )
