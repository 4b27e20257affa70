"""A model that takes pictures: what reaches it, what a picture counts, and how large one may be."""

import base64
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image

from bench.serving.cluster import ROOT
from bench.serving.service import MODEL, Service
from tests.app_live.tiny_vision import TOKENS_PER_PICTURE

pytestmark = [pytest.mark.live]

ENGINE = '{"load_format": "dummy", "limit_mm_per_prompt": {"image": 4}}'
CHAT = "/v1/chat/completions"
PIXELS = 25_000_000
"""The default of rayline:api.mediaPixels."""
MIB = 2**20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vision") / "model"


@pytest.fixture
def sighted(redeployable: Service, folder: Path) -> Service:
    """Deployed with the model that takes pictures; the second test finds it there."""
    if not folder.exists():
        subprocess.run(
            [sys.executable, "-m", "tests.app_live.tiny_vision", redeployable.model, folder],
            cwd=ROOT, check=True, capture_output=True, timeout=300,
        )  # fmt: skip
    redeployable.deploy(MODEL_ID=str(folder), ENGINE_ARGS=ENGINE)
    return redeployable


def noise(size: int) -> bytes:
    """A picture of about `size` bytes, which no compression makes smaller."""
    side = int((size / 3) ** 0.5)
    return saved(Image.frombytes("RGB", (side, side), os.urandom(3 * side**2)))


def saved(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def bomb(pixels: int) -> bytes:
    """Half a megabyte at most, with that many pixels."""
    return saved(Image.new("RGB", (pixels // 10_000, 10_000)))


def url(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def chat(*pictures: str) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": picture}} for picture in pictures]
    content = [{"type": "text", "text": "What is this?"}, *parts]
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 4,
        "ignore_eos": True,
    }


def clients(service: Service) -> list[httpx.Client]:
    """Both ways to the replica."""
    return [
        httpx.Client(base_url=base, headers=service.headers(), timeout=120)
        for base in (service.url, service.replica_url())
    ]


def test_pictures_of_every_form_and_size_are_read_and_counted(sighted: Service) -> None:
    small, large = noise(30_000), noise(8 * MIB)
    assert len(large) > 7.9 * MIB
    for client in clients(sighted):
        with client:
            without = client.post(CHAT, json=chat()).raise_for_status().json()["usage"]
            for given in ([small], [large], [small] * 4):
                answer = client.post(CHAT, json=chat(*map(url, given)))
                used = answer.raise_for_status().json()["usage"]
                more = TOKENS_PER_PICTURE * len(given)
                assert used["prompt_tokens"] == without["prompt_tokens"] + more
                assert used["completion_tokens"] == 4
            response = client.post(
                "/v1/responses",
                json={
                    "model": MODEL,
                    "max_output_tokens": 4,
                    "input": [
                        {
                            "role": "user",
                            "content": [
                                {"type": "input_text", "text": "What is this?"},
                                {"type": "input_image", "image_url": url(small), "detail": "auto"},
                            ],
                        }
                    ],
                },
            )
            assert response.raise_for_status().json()["usage"]["input_tokens"] > TOKENS_PER_PICTURE
            source = {"type": "base64", "media_type": "image/png"}
            source["data"] = base64.b64encode(small).decode()
            message = client.post(
                "/v1/messages",
                json={
                    "model": MODEL,
                    "max_tokens": 4,
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {"type": "image", "source": source},
                                {"type": "text", "text": "What is this?"},
                            ],
                        }
                    ],
                },
            )
            assert message.raise_for_status().json()["usage"]["input_tokens"] > TOKENS_PER_PICTURE


def test_what_no_replica_should_decode_is_refused_and_costs_nothing(sighted: Service) -> None:
    small = noise(30_000)
    broken = "data:image/png;base64,"
    refused = {
        "one pixel row too many": url(bomb(PIXELS + 10_000)),
        "as many pixels as vLLM takes by default": url(bomb(178_000_000)),
        "no picture": broken + "AAAA",
        "no base64": broken + "?",
        "half a picture": url(small[: len(small) // 2]),
        "another host": "https://example.com/a.png",
        "a file of the pod": "file:///etc/passwd",
    }
    (running,) = sighted.running_replicas()
    replica = psutil.Process(running["pid"])
    for client in clients(sighted):
        with client:
            client.post(CHAT, json=chat(url(bomb(PIXELS)))).raise_for_status()
            before = replica.memory_info().rss
            for case, address in refused.items():
                answer = client.post(CHAT, json=chat(address))
                assert answer.status_code == 400, (case, answer.text)
                assert answer.json()["error"]["message"], case
            sixteen = client.post(CHAT, json=chat(*[refused["one pixel row too many"]] * 16))
            assert sixteen.status_code == 400
            grown = (replica.memory_info().rss - before) / MIB
            assert grown < 200, f"{grown:.0f} MiB"
            for count in (5, 17):
                many = client.post(CHAT, json=chat(*[url(small)] * count))
                assert (many.status_code, bool(many.json()["error"]["message"])) == (400, True)
            too_large = client.post(CHAT, json=chat(url(noise(13 * MIB))))
            assert too_large.status_code == 413
            client.post(CHAT, json=chat(url(small))).raise_for_status()
