"""Routes of the models."""

import pytest

from app.access.routes import TABLE
from infra.rules import routes
from tests.infra.rules.stack import errors


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ("/", "/two", True),
        ("/one", "/two", True),
        ("/one", "/one-more", True),
        ("/", "/", False),
        ("/one", "/ONE", False),
        ("/one", "/one/more", False),
        ("/one/more", "/one", False),
        ("/", "/v1", False),
        ("/one", "/v1", True),
        ("/one", "/two/", False),
        ("/one", "//two", False),
        ("/one", "/-/two", False),
        ("/one", "/../two", False),
    ],
)
def test_routes_do_not_overlap(first: str, second: str, fits: bool) -> None:
    reported = errors(models__0__route=first, models__1__route=second)
    assert (reported == {}) is fits, reported
    assert set(reported) <= {"rayline:models[1].route"}


def test_the_services_own_routes_are_all_known() -> None:
    assert {template.split("/")[1] for _, template in TABLE} - {""} == routes.OWN_SEGMENTS
