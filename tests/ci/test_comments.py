"""Finding, writing and failing to write the one comment."""

from collections.abc import Callable

import pytest

from ci import comments, providers
from ci.errors import CommentError
from ci.markdown import MARKER
from tests.ci.conftest import Job
from tests.ci.fake_api import DONE, FakeApi

BODY = f"{MARKER}\nnew"
OLD = f"{MARKER}\r\nold"


@pytest.fixture
def publish(job: Job, kind: str) -> Callable[[], str]:
    return lambda: comments.publish(providers.load(kind), BODY, job.variables)


def test_our_comment_is_found_on_a_later_page(api: FakeApi, publish: Callable[[], str]) -> None:
    for number in range(250):
        api.add(f"talk {number}", author="someone")
    api.add(OLD)
    assert publish() == "comment updated"
    assert api.bodies() == [BODY]
    assert "POST" not in api.methods()


def test_a_foreign_comment_with_the_marker_is_neither_changed_nor_trusted(
    api: FakeApi, publish: Callable[[], str]
) -> None:
    api.add(OLD, author=api.double.stranger)
    assert publish() == "comment created"
    assert api.bodies(api.double.stranger) == [OLD]
    assert api.bodies() == [BODY]
    assert publish() == "comment updated"
    assert api.bodies() == [BODY]


def test_other_comments_of_our_user_stay(api: FakeApi, publish: Callable[[], str]) -> None:
    quoted = f"> {MARKER}\nsomebody quoted the preview"
    api.add(quoted)
    assert publish() == "comment created"
    assert api.bodies() == [quoted, BODY]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_retried(
    api: FakeApi, publish: Callable[[], str], naps: list[float], status: int
) -> None:
    api.add(OLD)
    api.faults = [("GET", status, {}), (api.double.change, status, {})]
    assert publish() == "comment updated"
    assert api.bodies() == [BODY]
    assert len(naps) == 2


@pytest.mark.parametrize("status", [429, 403])
def test_a_rate_limit_is_waited_for_as_requested(
    api: FakeApi, publish: Callable[[], str], naps: list[float], status: int
) -> None:
    api.faults = [("GET", status, {"Retry-After": "7"}), ("POST", status, {"Retry-After": "3"})]
    assert publish() == "comment created"
    assert naps == [7.0, 3.0]
    assert api.bodies() == [BODY]


def test_a_rate_limit_of_an_hour_is_not_waited_for(
    api: FakeApi, publish: Callable[[], str], naps: list[float]
) -> None:
    api.faults = [("GET", 429, {"Retry-After": "3600"})]
    with pytest.raises(CommentError, match="3600 s"):
        publish()
    assert naps == []


def test_attempts_are_bounded(api: FakeApi, publish: Callable[[], str], naps: list[float]) -> None:
    api.faults = [("GET", 500, {})] * 50
    with pytest.raises(CommentError, match="500 fault 500"):
        publish()
    assert len(api.calls) == 5
    assert sum(naps) < 60


@pytest.mark.parametrize(
    ("fault", "done"),
    [((0, {}), "updated"), ((502, {DONE: "1"}), "updated"), ((502, {}), "created")],
)
def test_an_unanswered_creation_makes_no_second_comment(
    api: FakeApi,
    publish: Callable[[], str],
    naps: list[float],
    fault: tuple[int, dict[str, str]],
    done: str,
) -> None:
    api.faults = [("POST", *fault)]
    assert publish() == f"comment {done}"
    assert api.bodies() == [BODY]
    assert len(naps) == 1


@pytest.mark.parametrize("status", [401, 404, 302])
def test_a_refusal_is_reported_at_once_without_the_token(
    api: FakeApi, job: Job, publish: Callable[[], str], naps: list[float], status: int
) -> None:
    api.faults = [("GET", status, {"Location": "http://127.0.0.1:1/elsewhere"})]
    with pytest.raises(CommentError, match=str(status)) as refused:
        publish()
    assert refused.value.hint
    assert len(api.calls) == 1
    assert naps == []
    assert api.double.token not in f"{refused.value} {refused.value!r}"
    assert job.variables[api.double.token_variable] == api.double.token


def test_a_wrong_token_is_a_readable_error(job: Job, publish: Callable[[], str]) -> None:
    job.variables[job.api.double.token_variable] = "wrong-token"
    with pytest.raises(CommentError, match="401 Bad credentials"):
        publish()


def test_an_unreachable_server_is_a_readable_error(
    job: Job, publish: Callable[[], str], naps: list[float]
) -> None:
    job.variables[job.api.double.api_variable] = "http://127.0.0.1:9"
    with pytest.raises(CommentError, match="ConnectError"):
        publish()
    assert len(naps) == 4


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_github_comments_can_have_another_author(
    job: Job, api: FakeApi, publish: Callable[[], str]
) -> None:
    job.variables["RAYLINE_COMMENT_AUTHOR"] = "our-app[bot]"
    api.add(OLD, author="our-app[bot]")
    assert publish() == "comment updated"
    assert api.bodies("our-app[bot]") == [BODY]
