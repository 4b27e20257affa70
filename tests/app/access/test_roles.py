"""The default roles and changes of them; mistakes are in auth/test_config.py."""

import json

from app.access import roles
from app.access.routes import GROUPS, OPERATE


def test_a_role_keeps_the_fields_that_its_json_omits() -> None:
    parsed = roles.parse(json.dumps({"guest": {"requests_per_minute": 5}}))
    assert parsed["guest"].requests_per_minute == 5
    assert parsed["guest"].max_tokens == roles.DEFAULTS["guest"].max_tokens
    assert parsed["user"] == roles.DEFAULTS["user"]


def test_a_new_role_has_no_rights_and_no_limits() -> None:
    new = roles.parse('{"batch": {}}')["batch"]
    assert new == roles.Role("batch")
    assert new.groups == frozenset()


def test_a_limit_can_be_lifted() -> None:
    lifted = {"concurrent": None, "max_tokens": "*", "models": "*", "groups": "*"}
    user = roles.parse(json.dumps({"user": lifted}))["user"]
    assert (user.concurrent, user.max_tokens, user.models) == (None, None, None)
    assert user.groups == GROUPS


def test_only_admin_may_operate_the_engine() -> None:
    assert [name for name, role in roles.DEFAULTS.items() if OPERATE in role.groups] == ["admin"]
