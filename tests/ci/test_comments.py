"""Finding, writing and failing to write the one comment."""

from collections.abc import Callable

import pytest

from ci import comments
from ci.errors import CommentError
from ci.markdown import MARKER
from tests.ci.conftest import Job
from tests.ci.fake_api import DONE, FakeApi

BODY = f"{MARKER}\nnew"
OLD = f"{MARKER}\r\nold"
FOREIGN = {"github": "mallory", "gitlab": 666}


@pytest.fixture
def publish(job: Job, kind: str) -> Callable[[], str]:
    return lambda: comments.publish(kind, BODY, job.variables)


def change_of(kind: str) -> str:
    return {"github": "PATCH", "gitlab": "PUT"}[kind]


def test_our_comment_is_found_on_a_later_page(api: FakeApi, publish: Callable[[], str]) -> None:
    for number in range(250):
        api.add(f"talk {number}", author="someone")
    api.add(OLD)
    assert publish() == "comment updated"
    assert api.bodies() == [BODY]
    assert "POST" not in api.methods()


def test_a_foreign_comment_with_the_marker_is_neither_changed_nor_believed(
    api: FakeApi, kind: str, publish: Callable[[], str]
) -> None:
    api.add(OLD, author=FOREIGN[kind])
    assert publish() == "comment created"
    assert api.bodies(FOREIGN[kind]) == [OLD]
    assert api.bodies() == [BODY]
    assert publish() == "comment updated"
    assert api.bodies() == [BODY]


def test_other_comments_of_our_user_stay(api: FakeApi, publish: Callable[[], str]) -> None:
    quoted = f"> {MARKER}\nsomebody quoted the preview"
    api.add(quoted)
    assert publish() == "comment created"
    assert api.bodies() == [quoted, BODY]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_tried_again(
    api: FakeApi, kind: str, publish: Callable[[], str], naps: list[float], status: int
) -> None:
    api.add(OLD)
    api.faults = [("GET", status, {}), (change_of(kind), status, {})]
    assert publish() == "comment updated"
    assert api.bodies() == [BODY]
    assert len(naps) == 2


@pytest.mark.parametrize("status", [429, 403])
def test_a_limit_is_waited_for_as_asked(
    api: FakeApi, publish: Callable[[], str], naps: list[float], status: int
) -> None:
    api.faults = [("GET", status, {"Retry-After": "7"}), ("POST", status, {"Retry-After": "3"})]
    assert publish() == "comment created"
    assert naps == [7.0, 3.0]
    assert api.bodies() == [BODY]


def test_a_limit_of_an_hour_is_not_waited_for(
    api: FakeApi, publish: Callable[[], str], naps: list[float]
) -> None:
    api.faults = [("GET", 429, {"Retry-After": "3600"})]
    with pytest.raises(CommentError, match="3600 s"):
        publish()
    assert naps == []


def test_tries_are_bounded(api: FakeApi, publish: Callable[[], str], naps: list[float]) -> None:
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
def test_a_refusal_is_said_at_once_without_the_token(
    api: FakeApi, job: Job, publish: Callable[[], str], naps: list[float], status: int
) -> None:
    api.faults = [("GET", status, {"Location": "http://127.0.0.1:1/elsewhere"})]
    with pytest.raises(CommentError, match=str(status)) as refused:
        publish()
    assert refused.value.hint
    assert len(api.calls) == 1
    assert naps == []
    for name in ("GITHUB_TOKEN", "RAYLINE_GITLAB_TOKEN"):
        if name in job.variables:
            assert job.variables[name] not in f"{refused.value} {refused.value!r}"


def test_a_wrong_token_is_a_readable_error(job: Job, kind: str, publish: Callable[[], str]) -> None:
    job.variables |= {"GITHUB_TOKEN": "wrong-token", "RAYLINE_GITLAB_TOKEN": "wrong-token"}
    with pytest.raises(CommentError, match="401 Bad credentials"):
        publish()


def test_an_unreachable_server_is_a_readable_error(
    job: Job, publish: Callable[[], str], naps: list[float]
) -> None:
    job.variables |= {"GITHUB_API_URL": "http://127.0.0.1:9", "CI_API_V4_URL": "http://127.0.0.1:9"}
    with pytest.raises(CommentError, match="ConnectError"):
        publish()
    assert len(naps) == 4


def test_another_author_can_be_named(job: Job, api: FakeApi, publish: Callable[[], str]) -> None:
    if api.kind == "gitlab":
        pytest.skip("GitLab says itself whose token it is")
    job.variables["RAYLINE_COMMENT_AUTHOR"] = "our-app[bot]"
    api.add(OLD, author="our-app[bot]")
    assert publish() == "comment updated"
    assert api.bodies("our-app[bot]") == [BODY]
