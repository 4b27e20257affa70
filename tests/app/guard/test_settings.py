"""The guard's environment: reading it and refusing mistakes."""

import pytest

from app.errors import ConfigurationError
from app.guard import settings
from app.guard.application import Guard
from app.guard.settings import GuardSettings
from tests.app.calls import PATH
from tests.app.conftest import values
from tests.app.stub import StubBackend

DEFAULTS = settings.from_environment({}).model_dump()
NUMBERS = [(name, value) for name, value in DEFAULTS.items() if type(value) is int]
SWITCHES = [(name, value) for name, value in DEFAULTS.items() if type(value) is bool]


def test_variables_of_the_guard_and_of_the_engine_are_read() -> None:
    read = settings.from_environment(
        {
            "GUARD_N": "3",
            "GUARD_MEDIA_DOMAINS": "Images.example, cdn.example",
            "GUARD_TRUSTED_PROXIES": "10.0.0.0/8 ::1",
            "GUARD_SHARED": "0",
            "MODEL_NAME": "tiny",
            "MAX_MODEL_LEN": "32768",
            "OTHER": "ignored",
        }
    )
    assert (read.n, read.shared, read.model_name, read.model_length) == (3, False, "tiny", 32768)
    assert read.media_domains == {"images.example", "cdn.example"}
    assert [str(network) for network in read.trusted_proxies] == ["10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize("length", ["", "32k", "auto"])
def test_a_context_length_that_only_the_engine_knows_is_left_to_it(length: str) -> None:
    assert settings.from_environment({"MAX_MODEL_LEN": length}).model_length is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("GUARD_BODY_BYTES", "many", "GUARD_BODY_BYTES is 'many'; allowed: 1 to 2147483647"),
        ("GUARD_N", "0", "GUARD_N is '0'; allowed: 1 to"),
        ("GUARD_N", "", "GUARD_N is ''; allowed: 1 to"),
        ("GUARD_SHARED", "perhaps", "GUARD_SHARED is 'perhaps'; allowed: true, false"),
        ("GUARD_TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set); allowed: a list such as 10."),
        ("GUARD_BODY_BYTE", "1", "GUARD_BODY_BYTE is not a setting of the guard; allowed: GUARD_"),
        ("GUARD_MODEL_NAME", "x", "GUARD_MODEL_NAME is not a setting of the guard"),
        ("GUARD_RAY_TOKEN", "x", "GUARD_RAY_TOKEN is not a setting of the guard"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Guard.from_environment(StubBackend(), {**values(), name: value})
    assert message in str(caught.value)


@pytest.mark.parametrize("field", GuardSettings.model_fields)
def test_only_the_exact_name_of_a_variable_is_read(field: str) -> None:
    name = str(GuardSettings.model_fields[field].validation_alias)
    similar = dict.fromkeys((name.lower(), name.title(), field, field.upper()), "3")
    similar.pop(name, None)
    assert settings.from_environment(similar) == settings.from_environment({})


@pytest.mark.parametrize(("name", "default"), NUMBERS)
@pytest.mark.parametrize("value", ["1.0", "1e3", "0x10", "true", "-1", "0", "2147483648", ""])
def test_a_number_must_be_whole_and_in_range(name: str, default: int, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings.from_environment({settings.variable(name): value})
    allowed = "1 to 2147483647"
    assert str(caught.value) == f"{settings.variable(name)} is {value!r}; allowed: {allowed}"
    largest = settings.from_environment({settings.variable(name): " 2147483647 "})
    assert getattr(largest, name) == 2**31 - 1 != default


@pytest.mark.parametrize(("name", "default"), SWITCHES)
def test_a_switch_is_true_false_1_or_0(name: str, default: bool) -> None:
    variable = settings.variable(name)
    for word, value in {"true": True, "1": True, "False": False, " 0 ": False}.items():
        assert getattr(settings.from_environment({variable: word}), name) is value
    for word in ("yes", "no", "on", "off", "t", "n", "1.0", ""):
        with pytest.raises(ConfigurationError) as caught:
            settings.from_environment({variable: word})
        assert str(caught.value) == f"{variable} is {word!r}; allowed: true, false"


def test_every_mistake_is_reported_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"GUARD_N is .*; GUARD_STOP is"):
        settings.from_environment({"GUARD_N": "x", "GUARD_STOP": "y"})


def test_the_guard_is_made_from_the_environment() -> None:
    guard = Guard.from_environment(StubBackend(), {**values(), "GUARD_BODY_BYTES": "1000"})
    assert ("POST", PATH, "inference") in guard.routes()
    guard.close()


def test_no_secret_is_in_a_repr() -> None:
    assert "hush" not in repr(settings.from_environment({"RAY_AUTH_TOKEN": "hush"}))
