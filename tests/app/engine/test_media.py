"""vLLM may fetch only from the guard's hosts, and follows no redirect."""

import pytest

from app.engine.media import FETCHED_MIB, NONE, PIXELS, REDIRECTS, bound, follow_no_redirects
from app.engine.settings import from_environment


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        (None, [NONE]),
        (" ", [NONE]),
        ("CDN.example.com, images.example.com", ["cdn.example.com", "images.example.com"]),
    ],
)
def test_vllm_gets_the_hosts_of_the_guard(domains: str | None, expected: list[str]) -> None:
    environ = {"MODEL_ID": "m", **({"GUARD_MEDIA_DOMAINS": domains} if domains else {})}
    assert from_environment(environ, "cpu").arguments["allowed_media_domains"] == expected


def test_the_operators_own_list_is_kept() -> None:
    environ = {"MODEL_ID": "m", "ENGINE_ARGS": '{"allowed-media-domains": ["a.example"]}'}
    assert from_environment(environ, "cpu").arguments["allowed_media_domains"] == ["a.example"]


def test_redirects_are_off_whatever_the_environment_says() -> None:
    environ = {REDIRECTS: "1"}
    follow_no_redirects(environ)
    assert environ == {REDIRECTS: "0"}


@pytest.mark.parametrize(("size", "mib"), [(1, "1"), (2**20, "1"), (2**20 + 1, "2")])
def test_vllm_gets_the_sizes_of_the_guard(size: int, mib: str) -> None:
    environ = {PIXELS: "0", FETCHED_MIB: "0"}
    bound(environ, 25_000_000, size)
    assert environ == {PIXELS: "25000000", FETCHED_MIB: mib}
