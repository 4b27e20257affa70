"""No prompt, password or token in any log of Ray, Serve, HAProxy, vLLM or ours."""

import secrets
from pathlib import Path

import httpx
import pytest

from bench.serving.service import MODEL, PASSWORD, Service

pytestmark = [pytest.mark.live]

CANARY = f"canary{secrets.token_hex(6)}"


def test_no_secret_is_in_any_log(service: Service, base: str) -> None:
    """Put a secret in every possible place, with every outcome: answered, refused, failed,
    unreadable.
    """
    marks = service.log_marks()
    with httpx.Client(base_url=base, timeout=60) as client:
        good = client.post("/token", data={"username": "bob", "password": PASSWORD})
        token = good.json()["access_token"]
        for form in ({"username": "bob", "password": CANARY}, {"username": CANARY}):
            client.post("/token", data=form)
        client.post("/token", content=CANARY, headers={"content-type": "multipart/form-data"})
        mine = {"Authorization": f"Bearer {token}"}
        for headers in (mine, {"Authorization": f"Bearer {CANARY}"}):
            for path, body in bodies():
                client.post(path, json=body, headers=headers)
            client.get(f"/v1/models?api_key={CANARY}", headers=headers)
            client.get(f"/{CANARY}", headers=headers)
            client.get(f"/v1/responses/{CANARY}", headers=headers)
            client.post("/v1/completions", content=f'{{"{CANARY}', headers=headers)
            client.get("/v1/models", headers={**headers, "x-request-id": CANARY})
        last = client.get("/v1/models", headers=mine)
    service.logged(f"id={last.headers['x-request-id']}", marks, 10)
    files = [file for file in service.cluster.folder.rglob("*") if is_log(file)]
    read = {file: file.read_bytes() for file in files}
    assert any(b"rayline.access" in content for content in read.values())
    hashed = (service.auth_folder / "BOB_HASHED_PASSWORD").read_text()
    for what, secret in (
        ("what a request held", CANARY),
        ("a user's token", token),
        ("its signature", token.rpartition(".")[2]),
        ("the signing key", service.key),
        ("a password", PASSWORD),
        ("a hash", hashed),
        ("Ray's token", service.cluster.token),
    ):
        leaks = [file.name for file, content in read.items() if secret.encode() in content]
        assert leaks == [], what
    print(f"{len(read)} logs, {sum(map(len, read.values()))} bytes at {base}")


def is_log(file: Path) -> bool:
    logs = {".log", ".err", ".out", ".txt"}
    return file.is_file() and not file.is_symlink() and file.suffix in logs


def bodies() -> list[tuple[str, dict[str, object]]]:
    messages = [{"role": "user", "content": CANARY}]
    chat = {"model": MODEL, "messages": messages, "max_tokens": 2}
    return [
        ("/v1/chat/completions", chat),
        ("/v1/chat/completions", {**chat, "stream": True}),
        ("/v1/chat/completions", {**chat, "n": 99}),
        ("/v1/chat/completions", {**chat, "temperature": -1}),
        ("/v1/chat/completions", {**chat, "temperature": CANARY}),
        ("/v1/chat/completions", {**chat, "model": CANARY}),
        ("/v1/chat/completions", {**chat, "messages": [{"role": CANARY, "content": [CANARY]}]}),
        ("/v1/chat/completions", {**chat, "response_format": {"type": "regex", "regex": CANARY}}),
        ("/v1/completions", {"model": MODEL, "prompt": CANARY, "max_tokens": 2}),
        ("/v1/completions", {"model": MODEL, "prompt": CANARY * 2000, "max_tokens": 2}),
        ("/v1/completions", {"model": MODEL, "prompt": CANARY, "structured_outputs":
                             {"regex": f"({CANARY}"}}),
        ("/v1/responses", {"model": MODEL, "input": CANARY, "max_output_tokens": 2}),
        ("/v1/embeddings", {"model": MODEL, "input": CANARY}),
        ("/tokenize", {"model": MODEL, "prompt": CANARY}),
    ]  # fmt: skip
