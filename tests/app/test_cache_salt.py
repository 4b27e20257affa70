"""Users do not share the engine's prefix cache, unless their role says so."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from app import cache_salt
from tests.app.calls import PATH, post
from tests.app.conftest import KEY, OLD_KEY, Service, build, values


def salts(service: Service, *users: str) -> list[str]:
    for user in users:
        assert post(service, PATH, user).is_success
    return service.backend.salts


def test_each_user_has_a_salt(service: Service) -> None:
    found = salts(service, "alice", "bob", "gina", "bob")
    assert len(set(found)) == 3
    assert found[1] == found[3]
    assert all(len(salt) == 32 and not set(salt) & set("@/\\\0") for salt in found)
    assert cache_salt.current.get() == ""


def test_a_user_and_a_service_of_the_same_name_differ(service: Service) -> None:
    salts(service, "bob")
    headers = service.service_bearer("bob", "user")
    assert post(service, PATH, None, headers=headers).is_success
    assert len(set(service.backend.salts)) == 2


def test_every_replica_computes_the_same_salt_and_needs_the_key(
    make: Callable[..., Service],
) -> None:
    one, two, other = make(), make(), make(values(JWT_KEY=OLD_KEY))
    assert salts(one, "bob") == salts(two, "bob") != salts(other, "bob")
    assert KEY not in salts(one, "bob")[0]


def test_users_of_a_role_share_if_the_role_says_so(make: Callable[..., Service]) -> None:
    both = {"BOB_ROLE": "team", "GINA_ROLE": "team"}
    roles = '{"team": {"groups": ["inference"], "share_cache": %s}, "user": {"share_cache": true}}'
    shared = salts(make(values(ROLES=roles % "true", **both)), "bob", "gina")
    apart = salts(make(values(ROLES=roles % "false", **both)), "bob", "gina")
    assert shared[0] == shared[1]
    assert apart[0] != apart[1]
    assert not {*shared} & {*apart}
    # Another role that shares is another cache.
    mixed = make(values(ROLES=roles % "true", BOB_ROLE="team", GINA_ROLE="user"))
    assert len(set(salts(mixed, "bob", "gina"))) == 2


def added(callers: str, chosen: str | None) -> str | None:
    """The salt with which a request reaches the engine."""
    request: Any = SimpleNamespace(cache_salt=chosen)
    seen: list[Any] = []

    async def add(given: Any) -> None:
        seen.append(given)

    async def ask() -> None:
        cache_salt.current.set(callers)
        # vLLM adds requests from tasks of its own.
        await asyncio.create_task(cache_salt.salted(add)(request))  # type: ignore[arg-type]

    asyncio.run(ask())
    assert seen == [request]
    made: str | None = request.cache_salt
    return made


def test_the_salt_of_a_request_divides_a_users_cache_and_never_leaves_it() -> None:
    mine, theirs = (cache_salt.salt(KEY.encode(), name) for name in ("user:a", "user:b"))
    assert added(mine, None) == mine
    assert added(mine, "") == mine
    made = {added(user, chosen) for user in (mine, theirs) for chosen in (None, "x", mine, theirs)}
    assert len(made) == 8
    assert len(added(mine, "x" * 128) or "") == 32
    # No choice of one user gives the salt of another.
    assert theirs not in {added(mine, theirs), added(mine, f"{theirs} "), added(mine, " ")}


@pytest.mark.parametrize("chosen", [None, "x"])
def test_the_warm_up_is_unchanged(chosen: str | None) -> None:
    assert added("", chosen) == chosen


def test_the_share_of_a_role_must_be_a_truth_value() -> None:
    for wrong in ('"yes"', "1", "null", '"*"'):
        with pytest.raises(ValueError, match=r"share_cache of user .*allowed: true, false"):
            build(values(ROLES=f'{{"user": {{"share_cache": {wrong}}}}}'))
