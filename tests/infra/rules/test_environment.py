"""Environment variables that a stack may not set."""

import pytest

from app.engine import settings as service
from infra.rules import environment
from infra.specs import serve_config
from tests.infra.rules.stack import errors
from tests.stacks import settings

PLACES = {
    "ray__env": "rayline:ray.env",
    "ray__head__env": "rayline:ray.head.env",
    "gpuGroups__0__env": "rayline:gpuGroups[0].env",
    "models__0__env": "rayline:models[0].env",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MAX_MODEL_LEN", ".maxModelLen"),
        ("HF_HOME", "model cache"),
        ("HF_TOKEN", "rayline:hubToken"),
        ("JWT_KEY", "rayline:jwtKey"),
        ("OPENAI_API_KEY", "secret"),
        ("DB_PASSWORD", "secret"),
        ("RAY_ADDRESS", "KubeRay sets it"),
        ("RAY_REDIS_ADDRESS", "KubeRay refuses it"),
        ("RAY_enable_autoscaler_v2", "KubeRay refuses it"),
    ],
)
def test_variables_that_may_not_be_set(place: str, name: str, text: str) -> None:
    reported = errors(**{f"{place}__{name}": "s3cret-value"})
    key = f"{PLACES[place]}.{name}"
    assert list(reported) == [key]
    assert text in reported[key]
    assert f"pulumi config rm --path '{key}'" in reported[key]
    assert "s3cret-value" not in reported[key]


@pytest.mark.parametrize("name", ["TOKENIZERS_PARALLELISM", "KEYBOARD", "OMP_NUM_THREADS", "KEY"])
def test_variables_that_may_be_set(name: str) -> None:
    assert errors(**{f"{place}__{name}": "1" for place in PLACES}) == {}


def test_everything_that_a_model_sets_is_refused_in_env() -> None:
    model = settings(
        models__0__maxNumSeqs=1,
        models__0__cpuOffloadGb=1,
        models__0__chunkedPrefill=True,
        models__0__enforceEager=True,
        models__0__engineArgs={"a": 1},
    ).models[0]
    ours = {*environment.MODEL_VARIABLES, *environment.OTHER_VARIABLES}
    assert set(serve_config.environment(model)) <= ours
    assert set(service.ARGUMENTS) <= set(environment.MODEL_VARIABLES)


SECRET = {"secret": "keys", "key": "a"}
FROM_SECRETS = ("ray", "ray__head", "gpuGroups__0")


@pytest.mark.parametrize("owner", FROM_SECRETS)
def test_a_secret_may_be_a_variable_from_a_secret(owner: str) -> None:
    assert errors(**{f"{owner}__secretEnv": {"OPENAI_API_KEY": SECRET}}) == {}


@pytest.mark.parametrize("owner", FROM_SECRETS)
@pytest.mark.parametrize("name", ["HF_TOKEN", "RAY_ADDRESS", "MAX_MODEL_LEN"])
def test_reserved_names_are_reserved_for_secrets_too(owner: str, name: str) -> None:
    reported = errors(**{f"{owner}__secretEnv": {name: SECRET}})
    (key,) = reported
    assert key.endswith(f".secretEnv.{name}")


def test_a_variable_has_one_value() -> None:
    reported = errors(ray__env={"A": "1"}, ray__secretEnv={"A": SECRET})
    assert list(reported) == ["rayline:ray.env.A"]
    assert "rayline:ray.secretEnv.A sets it too" in reported["rayline:ray.env.A"]
    # A narrower key replaces a wider one, as with plain variables.
    assert errors(ray__secretEnv={"A": SECRET}, gpuGroups__0__env={"A": "1"}) == {}


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ("ray__env", "ray.secretEnv"),
        ("ray__head__env", "ray.head.secretEnv"),
        ("gpuGroups__1__env", "gpuGroups[1].secretEnv"),
        ("models__0__env", "gpuGroups[0].secretEnv"),
    ],
)
def test_a_refused_secret_is_led_to_its_place(place: str, wanted: str) -> None:
    (message,) = errors(**{f"{place}__API_KEY": "canary"}).values()
    for part in ("secret", "key"):
        place = f"'rayline:{wanted}.API_KEY.{part}'"
        assert f"pulumi config set --path {place} --plaintext '<{part}>'" in message
    assert "canary" not in message
