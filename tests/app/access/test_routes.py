"""The route of a raw path is looked up without normalisation."""

from collections.abc import Callable

import pytest

from app.access import routes


def test_a_path_below_a_prefix_loses_the_prefix() -> None:
    scope = {"path": "/m/token", "raw_path": b"/m/token", "root_path": "/m"}
    assert routes.plain_path(scope) == "/token"
    assert routes.plain_path({**scope, "path": "/token", "raw_path": b"/token"}) is None
    assert routes.plain_path({**scope, "path": "/m", "raw_path": b"/m"}) == "/"
    assert routes.plain_path({**scope, "path": "/mm", "raw_path": b"/mm"}) is None
    assert routes.plain_path({**scope, "path": "/mm/x", "raw_path": b"/mm/x"}) is None


@pytest.mark.parametrize("raw", [b"/%74oken", b"//token", b"/token/", b"/TOKEN", b"/./token"])
def test_nothing_is_normalised_into_an_open_route(raw: bytes) -> None:
    path = routes.plain_path({"path": raw.decode(), "raw_path": raw})
    assert path is None or routes.find("POST", path) is None
    assert routes.plain_path({"path": "/token", "raw_path": raw}) is None


def test_a_template_matches_one_plain_segment() -> None:
    find: Callable[[str, str], routes.Route | None] = routes.find
    assert find("GET", "/v1/responses/resp_1") is not None
    assert find("POST", "/v1/responses/resp_1/cancel") is not None
    bad = ("/v1/responses/", "/v1/responses/a/b", "/v1/responses/..", "/v1/responses/{response_id}")
    assert [find("GET", path) for path in bad] == [None] * 4
    assert find("GET", "/v1/responses/resp_1\n") is None
