"""Roles: rayline:auth.roles, and ROLES of the auth-config."""

import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.access import roles as app_roles
from app.access import routes
from app.errors import ConfigurationError as ServiceError
from infra.settings import auth, parse
from infra.settings.framework.problems import ConfigurationError
from tests.infra.parity import (
    ANY,
    EDGES,
    GROUPS,
    JSON,
    RIGHT_NAMES,
    RIGHT_ROLE,
    ROLE_FIELDS,
    loaded,
)
from tests.stacks import values


def test_a_role_has_the_same_fields() -> None:
    assert list(auth.Role.model_fields) == ROLE_FIELDS
    assert {*routes.GROUPS, "*"} == set(auth.RouteGroup.__args__)  # type: ignore[attr-defined]


ROLE_KEYS = st.sampled_from(
    [*ROLE_FIELDS, *(str(auth.Role.model_fields[name].alias) for name in ROLE_FIELDS)]
)
WRONG_KEYS = st.sampled_from(["maxTokenz", "max-tokens", "colour"])
ROLE = RIGHT_ROLE | RIGHT_ROLE | st.dictionaries(ROLE_KEYS | WRONG_KEYS, ANY, max_size=3)
ROLES = st.dictionaries(
    RIGHT_NAMES | RIGHT_NAMES | st.sampled_from(["a b", "", "ü", "x" * 65]), ROLE, max_size=3
)


@examples(max_examples=400)
@given(ROLES)
@example({"user": {"maxTokens": 100000}})
@example({"user": {"groups": "*", "models": "*", "concurrent": "*", "priority": -5}})
@example({"batch": {"groups": ["*"], "models": ["*", "one"]}})
def test_what_infra_accepts_for_roles_the_service_reads_as_the_same(roles: dict[str, Any]) -> None:
    try:
        stack = parse(values(auth__roles=roles))
    except ConfigurationError:
        return
    found = loaded(stack).roles
    for name, role in stack.auth.roles.items():
        for key in role.model_fields_set:
            ours, theirs = getattr(role, key), getattr(found[name], key)
            if ours is None or not isinstance(ours, tuple):
                assert theirs == ours
            elif "*" in ours:
                assert theirs == (routes.GROUPS if key == "groups" else None)
            else:
                assert theirs == set(ours)
        for key in set(ROLE_FIELDS) - role.model_fields_set:
            default = app_roles.DEFAULTS.get(name, app_roles.Role(name))
            assert getattr(found[name], key) == getattr(default, key)


@examples(max_examples=300)
@given(st.sampled_from(ROLE_FIELDS), EDGES | JSON | GROUPS)
def test_a_value_of_a_role_that_the_service_refuses_infra_refuses(name: str, value: object) -> None:
    # What infra converts cannot reach the service: 5.0, null as absent, numbers as names.
    assume(not isinstance(value, float) or not value.is_integer())
    assume(value is not None and value != ["*"])
    assume(not isinstance(value, list) or all(isinstance(item, str) for item in value))
    try:
        app_roles.parse(json.dumps({"user": {name: value}}))
    except ServiceError:
        alias = str(auth.Role.model_fields[name].alias)
        if name == "groups" and isinstance(value, list) and "*" in value:
            value = [group for group in value if group != "*"]  # one more spelling of all groups
            assume(not set(map(str, value)) <= routes.GROUPS)
        with pytest.raises(ConfigurationError):
            parse(values(auth__roles={"user": {alias: value}}))


@pytest.mark.parametrize(
    ("role", "parts"),
    [
        ({"maxToken": 1}, ["did you mean 'maxTokens'?"]),
        ({"max_tokens": 5}, ["did you mean 'maxTokens'?", "user.maxTokens' 5"]),
        ({"requests_per_minute": "*"}, ["did you mean 'requestsPerMinute'?", "PerMinute' '*'"]),
        ({"request_per_minute": 5}, ["did you mean 'requestsPerMinute'?"]),
        ({"group": ["audio"]}, ["did you mean 'groups'?"]),
        ({"colour": 1}, ["is not a key", "requestsPerMinute"]),
        ({"concurrent": 0}, ["is 0", "from 1 up to 2147483647", '"*" for no limit']),
        ({"maxTokens": True}, ["is True", "a whole number"]),
        ({"groups": ["all"]}, ["one of *, audio"]),
        ({"models": "one"}, ["is 'one'", "a list"]),
    ],
)
def test_a_mistake_in_a_role_is_one_message_with_a_command(
    role: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(values(auth__roles={"user": role}))
    (problem,) = caught.value.problems
    assert problem.key.startswith("rayline:auth.roles.user.")
    for part in [*parts, "Type: pulumi config"]:
        assert part in problem.message
