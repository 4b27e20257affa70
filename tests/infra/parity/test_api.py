"""Settings of the guard: rayline:api, and GUARD_ variables."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from app.errors import ConfigurationError as ServiceError
from app.guard import settings as app_guard
from infra.settings import parse
from infra.settings.api import Api
from infra.specs.serve_config import api_environment
from infra.specs.serve_config import environment as model_environment
from tests.infra.parity import (
    APP_GUARD,
    EDGES,
    JSON,
    WORDS,
)
from tests.stacks import ROOT, values


def test_the_guard_has_the_same_settings() -> None:
    assert list(Api.model_fields) == [*_in_order(APP_GUARD)]


def _in_order(names: Mapping[str, Any]) -> list[str]:
    return sorted(names, key=list(Api.model_fields).index)


@pytest.mark.parametrize("name", APP_GUARD)
def test_a_setting_of_the_guard_has_the_same_default_and_description(name: str) -> None:
    ours, theirs = Api.model_fields[name], APP_GUARD[name]
    description = " ".join((ours.description or "").split())
    if name == "max_running":  # the service computes it, and only its guard alone has a default
        assert ours.default is None
        assert description.startswith((theirs.description or "").partition(" The service")[0])
        assert "twice `MAX_NUM_SEQS`" in (theirs.description or "")
        assert "twice maxNumSeqs" in description
    else:
        assert type(ours.default)(theirs.default) == ours.default
        assert description == theirs.description


def test_the_two_references_state_the_same_defaults() -> None:
    """docs/service.md is written by app, and docs/configuration.md by infra."""
    rows = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", (ROOT / "docs/service.md").read_text(), re.M
    )
    service = {name: default for name, default in rows if name.startswith("GUARD_")}
    assert set(service) == {app_guard.variable(name) for name in APP_GUARD}
    text = (ROOT / "docs/configuration.md").read_text()
    section = text.partition("## rayline:api\n")[2].partition("\n## ")[0]
    stack = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", section, re.M))
    assert set(stack) == {str(field.alias) for field in Api.model_fields.values()}
    for name, field in Api.model_fields.items():
        stated = stack[str(field.alias)].strip("`")
        if name != "max_running":  # the service computes it
            expected = service[app_guard.variable(name)].replace(",", "")
            assert {"empty": "none"}.get(stated, stated) == expected, name


@pytest.mark.parametrize("name", [n for n in APP_GUARD if type(APP_GUARD[n].default) is int])
@pytest.mark.parametrize("value", [-1, 0, 1, 2**31 - 1, 2**31, 10**30])
def test_a_number_of_the_guard_has_the_same_bounds(name: str, value: int) -> None:
    assert _infra_takes({name: value}) is _app_takes({app_guard.variable(name): str(value)})


@examples(max_examples=400)
@given(st.sampled_from(sorted(APP_GUARD)), JSON | EDGES | st.lists(WORDS, max_size=3))
def test_what_infra_accepts_for_the_guard_the_service_reads_as_the_same(
    name: str, value: object
) -> None:
    try:
        api = Api.model_validate({name: value})
    except ValidationError:
        return
    found = getattr(app_guard.from_environment(api_environment(api)), name)
    expected = getattr(api, name)
    if name == "media_domains":
        assert found == {host.lower() for host in expected}
    elif name == "trusted_proxies":
        assert len(found) == len(expected)
    elif expected is not None:
        assert found == expected


ORIGINS = st.sampled_from(
    [
        "*",
        "https://a.example",
        "https://a.example:8443",
        "https://a.example:443",
        "http://localhost:3000",
        "http://[::1]:80",
        "app://obsidian.md",
        "HTTPS://a.example",
        "https://a.example/",
        "https://a",
        "a.example",
        "null",
        "https://a.example:0",
        "https://a_b.example\n",
    ]
)


@examples(max_examples=300)
@given(ORIGINS | st.from_regex(r"[a-z]+://[a-z0-9.:\[\]*/@-]*", fullmatch=True))
def test_an_origin_is_judged_alike(origin: str) -> None:
    plain = origin.strip()  # infra removes white space, and the guard splits at it
    taken = _app_takes({"GUARD_CORS_ORIGINS": origin}) and bool(plain)
    assert _infra_takes({"cors_origins": [plain]}) is taken


LISTS = [name for name, field in APP_GUARD.items() if field.default in ((), frozenset())]


@pytest.mark.parametrize("name", LISTS)
@given(st.lists(WORDS | st.text(st.characters(exclude_characters=" ,\0")), max_size=3))
def test_a_list_that_the_guard_refuses_infra_refuses(name: str, words: list[str]) -> None:
    if not _app_takes({app_guard.variable(name): " ".join(words)}):
        assert not _infra_takes({name: words})


def _infra_takes(given: Mapping[str, object]) -> bool:
    try:
        Api.model_validate(dict(given))
    except ValidationError:
        return False
    return True


def _app_takes(environ: Mapping[str, str]) -> bool:
    try:
        app_guard.from_environment(environ)
    except ServiceError:
        return False
    return True


def test_a_models_guard_changes_only_what_it_gives() -> None:
    stack = parse(
        values(api={"n": 3, "stop": 5}, models__0__api={"n": 8, "trustedProxies": ["10.0.0.0/8"]})
    )
    env = model_environment(stack.models[0], stack.api)
    assert {k: v for k, v in env.items() if k.startswith("GUARD_")} == {
        "GUARD_STOP": "5",
        "GUARD_TRUSTED_PROXIES": "10.0.0.0/8",
    }
    read_back = app_guard.from_environment(env)
    assert (read_back.n, read_back.stop) == (8, 5)


def test_a_stack_without_settings_of_the_guard_writes_none() -> None:
    """A variable more would restart the replicas of every user who upgrades."""
    env = model_environment(parse(values()).models[0])
    assert not [name for name in env if name.startswith(("GUARD_", "ENGINE_STALL"))]
