"""The user's choices, how a wrong one is refused, and the addresses derived from them."""

from collections.abc import Callable

import pytest

from sandbox import settings
from sandbox.settings import Settings, from_environment
from toolchain.errors import UserError
from toolchain.paths import CHECKOUT

VARIABLES = [settings.variable(name) for name in Settings.model_fields]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Read the settings from these variables and no other settings."""

    def read(**variables: str) -> Settings:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return from_environment()

    return read


def test_defaults_when_nothing_is_set(given: Callable[..., Settings]) -> None:
    assert given() == Settings()
    assert given(RAYLINE_GPU_TAINT="", RAYLINE_NETWORK="") == Settings()


def test_each_variable_sets_its_own_field(given: Callable[..., Settings]) -> None:
    chosen = given(
        RAYLINE_NETWORK="172.20.0.0/16",
        RAYLINE_REGISTRY_PORT="5017",
        RAYLINE_GPUS="0",
        RAYLINE_GPU_TAINT="1",
    )
    assert type(chosen) is Settings
    assert (str(chosen.network), chosen.registry_port) == ("172.20.0.0/16", 5017)
    assert (chosen.gpus, chosen.gpu_taint) == (0, True)


def test_variables_of_other_parts_of_the_project_are_ignored(
    given: Callable[..., Settings],
) -> None:
    assert given(RAYLINE_CACHE="/somewhere", RAYLINE_PREBUILT="0") == Settings()


@pytest.mark.parametrize("name", VARIABLES)
def test_only_the_exact_name_of_a_variable_is_read(
    given: Callable[..., Settings], name: str
) -> None:
    assert given(**{name.lower(): "no value of any variable"}) == Settings()


@pytest.mark.parametrize("name", Settings.model_fields)
@pytest.mark.parametrize("value", ["2.0", "1.0", "1e0", "0x1", "yes", "true", "on", "None"])
def test_a_value_that_only_resembles_an_allowed_one_is_refused(
    given: Callable[..., Settings], name: str, value: str
) -> None:
    variable = settings.variable(name)
    with pytest.raises(UserError) as refused:
        given(**{variable: value})
    assert f"{variable}={value!r} is not allowed" in refused.value.message


def test_settings_made_in_code_do_not_depend_on_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAYLINE_GPUS", "7")
    assert Settings().gpus == 4


def test_every_network_lies_in_the_one_that_was_chosen_and_none_overlap(
    given: Callable[..., Settings],
) -> None:
    chosen = given(RAYLINE_NETWORK="172.20.0.0/16")
    parts = [chosen.pod_network, chosen.service_network]
    assert all(part.subnet_of(chosen.network) for part in parts)
    assert not parts[0].overlaps(parts[1])
    for address in (chosen.host_address, chosen.node_address):
        assert address in chosen.network
        assert not any(address in part for part in parts)
    assert chosen.dns_address in chosen.service_network
    assert chosen.api_url == "https://172.20.0.2:6443"


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("RAYLINE_NETWORK", "10.0.0.0/8", "a private IPv4 network of size /16"),
        ("RAYLINE_NETWORK", "10.213.1.0/16", "a private IPv4 network of size /16"),
        ("RAYLINE_NETWORK", "8.8.0.0/16", "a private IPv4 network of size /16"),
        ("RAYLINE_NETWORK", "home", "a private IPv4 network of size /16"),
        ("RAYLINE_REGISTRY_PORT", "0", "a whole number from 1 to 65535"),
        ("RAYLINE_REGISTRY_PORT", "http", "a whole number from 1 to 65535"),
        ("RAYLINE_GPUS", "-1", "a whole number from 0 to 64"),
        ("RAYLINE_GPU_TAINT", "yes", "0 or 1"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_given_what_is_allowed_and_what_to_type(
    given: Callable[..., Settings], variable: str, value: str, allowed: str
) -> None:
    with pytest.raises(UserError) as refused:
        given(**{variable: value})
    assert refused.value.message == f"{variable}={value!r} is not allowed; it must be {allowed}."
    assert refused.value.hint.startswith(f"For example: make sandbox {variable}=")
    assert refused.value.exit_code == 2
    # The example is valid.
    given(**{variable: refused.value.hint.partition(f"{variable}=")[2]})


def test_all_wrong_values_are_named_at_once(given: Callable[..., Settings]) -> None:
    with pytest.raises(UserError) as refused:
        given(RAYLINE_GPUS="many", RAYLINE_NETWORK="home")
    assert "RAYLINE_GPUS='many'" in refused.value.message
    assert "RAYLINE_NETWORK='home'" in refused.value.message
    assert "RAYLINE_GPUS=4" in refused.value.hint
    assert "RAYLINE_NETWORK=10.213.0.0/16" in refused.value.hint


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_variable_is_documented_with_its_default_and_passed_on_by_make(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.description
    pages = [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")]
    rows = [
        line
        for page in pages
        for line in page.read_text().splitlines()
        if line.startswith("|") and f"`{settings.variable(name)}" in line
    ]
    assert rows, f"no table has a row for {settings.variable(name)}"
    default = settings.shown(field.default)
    assert all(row.rstrip(" |").rpartition("|")[2].strip(" `") == default for row in rows), rows
    makefile = (CHECKOUT / "Makefile").read_text()
    exported = [line for line in makefile.splitlines() if line.startswith("export RAYLINE")]
    assert any(settings.variable(name) in line.split() for line in exported)
