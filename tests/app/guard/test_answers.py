"""A stored answer is only for the user who asked for it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.app.calls import get, post
from tests.app.conftest import KEY, OLD_KEY, Service, values

PATH = "/v1/responses"


def asked(service: Service, user: str, **fields: Any) -> dict[str, Any]:
    """A request for an answer, as the engine reads it."""
    body = {"model": "tiny", "input": "hi", **fields}
    assert post(service, PATH, user, json=body).status_code == 200
    read: dict[str, Any] = json.loads(service.backend.calls[-1][2])
    return read


def new_id(service: Service, user: str) -> str:
    return str(asked(service, user)["request_id"])


def read(service: Service, user: str, answer: str) -> int:
    return get(service, f"{PATH}/{answer}", user).status_code


def cancel(service: Service, user: str, answer: str) -> int:
    return post(service, f"{PATH}/{answer}/cancel", user, content=b"").status_code


def go_on(service: Service, user: str, answer: Any) -> int:
    body = {"model": "tiny", "input": "hi", "previous_response_id": answer}
    return post(service, PATH, user, json=body).status_code


USES = pytest.mark.parametrize("use", [read, cancel, go_on])
Use = Callable[[Service, str, str], int]


@USES
def test_only_who_asked_for_an_answer_may_use_it(service: Service, use: Use) -> None:
    bobs = new_id(service, "bob")
    before = len(service.backend.calls)
    assert use(service, "gina", bobs) == 404
    assert len(service.backend.calls) == before
    assert use(service, "bob", bobs) == 200


@USES
def test_operators_may_use_every_answer(service: Service, use: Use) -> None:
    assert use(service, "alice", new_id(service, "bob")) == 200
    assert use(service, "alice", "resp_1") == 200


@USES
def test_no_other_id_is_taken_for_a_users_own(service: Service, use: Use) -> None:
    bobs, ginas = new_id(service, "bob"), new_id(service, "gina")
    start, code = bobs[:-32], bobs[-32:]
    others = (
        *("resp_1", "resp_", "x", "0" * 32, code, start, f"{start}{'0' * 32}", bobs[:-1]),
        *(f"{bobs}0", f"0{bobs}", bobs.upper(), ginas[:-32] + code, start + ginas[-32:]),
        f"{'resp_' + '0' * 32}{code}",
    )
    before = len(service.backend.calls)
    for other in others:
        assert use(service, "bob", other) == 404, other
    assert len(service.backend.calls) == before


@pytest.mark.parametrize("answer", [0, 1, True, [], {}, "", "é" * 40, ["resp_1"], {"id": "x"}])
def test_a_conversation_goes_on_from_ids_only(service: Service, answer: Any) -> None:
    assert go_on(service, "bob", answer) == 404
    assert service.backend.calls == []


def test_the_last_of_two_ids_counts_as_vllm_reads_it(service: Service) -> None:
    bobs, ginas = new_id(service, "bob"), new_id(service, "gina")
    before = len(service.backend.calls)
    for ids, status in (((ginas, bobs), 200), ((bobs, ginas), 404)):
        twice = ", ".join(f'"previous_response_id": "{answer}"' for answer in ids)
        body = f'{{"model": "tiny", "input": "hi", {twice}}}'
        assert post(service, PATH, "bob", content=body).status_code == status
    assert len(service.backend.calls) == before + 1


def test_a_refusal_does_not_say_whether_the_answer_exists(service: Service) -> None:
    bobs = new_id(service, "bob")
    for method in (f"{PATH}/{{}}", f"{PATH}/{{}}/cancel"):
        answers = []
        for answer in (bobs, "resp_" + "0" * 64):
            call = post if method.endswith("cancel") else get
            options = {"content": b""} if call is post else {}
            refused = call(service, method.format(answer), "gina", **options)
            answers.append((refused.status_code, refused.content))
        assert answers[0] == answers[1]


def test_every_answer_has_another_id_in_vllms_form(service: Service) -> None:
    ids = {new_id(service, "bob") for _ in range(20)}
    assert len(ids) == 20
    for answer in ids:
        assert answer.startswith("resp_")
        assert len(answer) == 69
        assert answer.removeprefix("resp_").isalnum()


def test_the_rest_of_the_request_stays_as_it_was_sent(service: Service) -> None:
    body = b'{ "model":"tiny",  "input":"h\\u0069", "max_output_tokens": 5 }'
    assert post(service, PATH, "alice", content=body).status_code == 200
    reached = service.backend.calls[-1][2]
    assert reached.startswith(body.rstrip(b"}"))
    assert json.loads(reached) == {
        **json.loads(body),
        "request_id": json.loads(reached)["request_id"],
    }


def test_an_id_is_chosen_by_the_guard_or_by_an_operator(service: Service) -> None:
    assert asked(service, "alice", request_id="resp_mine")["request_id"] == "resp_mine"
    assert asked(service, "bob", request_id=None)["request_id"] is not None
    body = {"model": "tiny", "input": "hi", "request_id": "resp_mine"}
    assert post(service, PATH, "bob", json=body).status_code == 400
    assert read(service, "bob", "resp_mine") == 404


def test_a_user_and_a_service_of_the_same_name_differ(service: Service) -> None:
    headers = service.service_bearer("bob", "user")
    path = f"{PATH}/{new_id(service, 'bob')}"
    assert get(service, path, None, headers=headers).status_code == 404


def test_replicas_agree_and_a_change_of_the_key_makes_no_answer_unreadable(
    make: Callable[..., Service],
) -> None:
    old = new_id(make(values(JWT_KEY=OLD_KEY)), "bob")
    both = make(values(JWT_KEY=KEY, JWT_PREVIOUS_KEYS=OLD_KEY))
    assert read(both, "bob", old) == 200
    assert read(both, "gina", old) == 404
    assert read(make(), "bob", new_id(both, "bob")) == 200
    assert read(make(), "bob", old) == 404
