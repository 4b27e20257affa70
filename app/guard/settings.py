"""Settings of the guard: environment variables `GUARD_<FIELD>`, each with a safe default.

Their table in docs/service.md is generated from `table()`.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.errors import ConfigurationError
from app.guard.bounds import Bounds
from app.guard.client_address import Network

PREFIX = "GUARD_"


def _networks(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(ipaddress.ip_network(word) for word in value.replace(",", " ").split())


def _tokens(value: Any) -> Any:
    """A context length such as 32k or auto is left to the engine, which knows the number."""
    return None if isinstance(value, str) and not value.strip().isdecimal() else value


class GuardSettings(Bounds, BaseSettings):
    """All settings of one replica's guard. Requests wait in the engine's queue, not here."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_prefix=PREFIX,
        populate_by_name=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    max_running: int = Field(
        256,
        ge=1,
        lt=2**31,
        description="Requests that one replica gives its engine at once; more are answered with "
        "429. The service sets it to twice `MAX_NUM_SEQS`.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = Field(
        (),
        description="Networks of proxies whose `X-Forwarded-For` gives the client's address.",
        examples=["10.0.0.0/8, 192.168.7.4"],
    )
    priority: bool = Field(
        False,
        description="Give each request the priority of its role; the engine then schedules by "
        "priority.",
    )
    shared: bool = Field(True, description="Share counts with other replicas where Ray runs.")
    model_name: str = Field("", validation_alias="MODEL_NAME")
    """The model that a request without `model` means."""
    model_length: Annotated[int | None, BeforeValidator(_tokens)] = Field(
        None, validation_alias="MAX_MODEL_LEN"
    )
    """The context in tokens, where the environment gives it as a number."""
    ray_token: SecretStr = Field(SecretStr(""), validation_alias="RAY_AUTH_TOKEN")
    """The token of the Ray cluster, by which Serve's proxy is recognised."""
    ray_token_path: Path | None = Field(None, validation_alias="RAY_AUTH_TOKEN_PATH")
    """The file of that token, where it is not in the environment itself."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the caller passes: `from_environment` reads its own argument."""
        return (init_settings,)


def from_environment(environ: Mapping[str, str]) -> GuardSettings:
    """The settings; ConfigurationError for an unknown GUARD_ name or a bad value."""
    known = {variable(name): name for name in _own()}
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            raise ConfigurationError(
                f"{name} is not a setting of the guard; allowed: {', '.join(sorted(known))}"
            )
    source = EnvSettingsSource(GuardSettings)
    source.env_vars = {name.lower(): value for name, value in environ.items()}
    try:
        return GuardSettings(**source())
    except ValidationError as error:
        raise ConfigurationError("; ".join(sorted(set(_problems(error, environ))))) from None


def variable(field: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field.upper()


def table() -> str:
    """The GUARD_ variables as the Markdown table of docs/service.md."""
    rows = ["| variable | allowed | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in _own().items():
        default = _shown(field.default)
        rows.append(f"| `{variable(name)}` | {_allowed(field)} | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _own() -> dict[str, FieldInfo]:
    fields = GuardSettings.model_fields
    return {name: field for name, field in fields.items() if field.validation_alias is None}


def _problems(error: ValidationError, environ: Mapping[str, str]) -> list[str]:
    """One message per variable: its name, its value and what is allowed."""
    found = []
    for problem in error.errors():
        name = str(problem["loc"][0])
        field = GuardSettings.model_fields.get(name)
        if field is None or field.validation_alias is not None:
            found.append(f"{name} is not valid: {problem['msg']}")
        else:
            reason = f" ({problem['ctx']['error']})" if problem["type"] == "value_error" else ""
            given = f"{environ.get(variable(name), '')!r}{reason}"
            found.append(f"{variable(name)} is {given}; allowed: {_allowed(field)}")
    return found


def _allowed(field: FieldInfo) -> str:
    if field.annotation is int:
        return f"1 to {2**31 - 1}"
    if field.annotation is bool:
        return "true, false"
    return f"a list such as {(field.examples or [''])[0]}"


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:,}" if isinstance(default, int) else "none"
