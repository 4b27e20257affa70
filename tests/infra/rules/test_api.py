"""Settings of the guard in an `env`, and models that a role names."""

from typing import Any

import pytest

from infra import rules
from infra.settings import parse
from infra.specs.serve_config import environment
from tests.commands import advised, typed
from tests.infra.rules.stack import errors, warnings
from tests.stacks import values

ENV = "rayline:models[0].env."


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("GUARD_N", "3", "n"),
        ("GUARD_TOKEN_IDS", " 5 ", "tokenIds"),
        ("GUARD_SHARED", "0", "shared"),
        ("GUARD_PRIORITY", "True", "priority"),
        ("GUARD_TRUSTED_PROXIES", "10.0.0.0/8, ::1", "trustedProxies"),
        ("GUARD_MEDIA_DOMAINS", "a.example b.example", "mediaDomains"),
        ("GUARD_MAX_RUNNING", "7", "maxRunning"),
        ("GUARD_CORS_ORIGINS", "https://a.example, http://b.example:81", "corsOrigins"),
    ],
)
@pytest.mark.parametrize("place", ["models__0__env", "ray__env", "gpuGroups__0__env"])
def test_a_variable_of_the_guard_is_moved_to_its_key(
    place: str, name: str, value: str, key: str
) -> None:
    """The advised commands give the replicas what the variable gave them."""
    whole = values(**{f"{place}__{name}": value})
    (problem,) = [p for p in rules.check(parse(whole)) if p.severity == "error"]
    own = "models[0].api" if place == "models__0__env" else "api"
    assert f"has its own key, rayline:{own}.{key}." in problem.message
    after = parse(typed(whole, advised(problem.message)))
    assert rules.check(after) == rules.check(parse(values()))
    written = environment(after.models[0], after.api)[name]
    assert written.replace(",", "") == {"0": "false"}.get(value, value).strip().lower().replace(
        ",", ""
    )


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("GUARD_TOKEN_ID", "3", "is not a setting of the guard. Did you mean the key rayline:"),
        ("GUARD_colour", "3", "is not a setting of the guard."),
        ("GUARD_n", "3", "Did you mean the key rayline:models[0].api.n?"),
        ("GUARD_N", "many", "does not accept this value"),
        ("GUARD_TRUSTED_PROXIES", "10.0.0.1/8", "does not accept this value"),
        ("ENGINE_STALL_SECONDS", "3", "use rayline:models[0].stallSeconds"),
    ],
)
def test_a_variable_with_which_no_replica_would_start_is_refused(
    name: str, value: str, text: str
) -> None:
    reported = errors(**{f"models__0__env__{name}": value})
    assert list(reported) == [ENV + name]
    assert text in reported[ENV + name]
    assert f"pulumi config rm --path '{ENV}{name}'" in reported[ENV + name]


@pytest.mark.parametrize(
    ("role", "hint"), [({"models": ["onne"]}, "Did you mean 'one'?"), ({"models": ["lora"]}, "")]
)
def test_a_role_that_names_no_model_of_the_stack_is_a_warning(
    role: dict[str, Any], hint: str
) -> None:
    reported = warnings(auth__roles={"guest": role})
    assert hint in reported["rayline:auth.roles.guest.models[0]"]
    assert "this stack serves one" in reported["rayline:auth.roles.guest.models[0]"]
    assert warnings(auth__roles={"guest": {"models": ["one"]}}) == {}


@pytest.mark.parametrize(
    ("places", "text"),
    [
        ({"models__0__maxNumSeqs": 8}, "runs 16 requests"),
        ({"api__maxRunning": 20}, "runs 20 requests"),
        ({"api__maxRunning": 100, "models__0__api__maxRunning": 5}, "runs 5 requests"),
    ],
)
def test_a_role_of_which_one_user_can_fill_a_replica_is_a_warning(
    places: dict[str, Any], text: str
) -> None:
    reported = warnings(auth__roles={"user": {"concurrent": 64}}, **places)
    assert text in reported["rayline:auth.roles.user.concurrent"]
    assert warnings(auth__roles={"user": {"concurrent": 5}}, **places) == {}
    assert warnings(auth__roles={"user": {"concurrent": "*"}}, **places) == {}
    assert warnings(auth__roles={"user": {"concurrent": 512}}) == {}
