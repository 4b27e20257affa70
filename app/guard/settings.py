"""Settings of the guard: environment variables `GUARD_<FIELD>`, each with a safe default.

Their table in docs/service.md is generated from `table()`.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.auth import lockout
from app.errors import ConfigurationError
from app.guard import cors
from app.guard.bounds import Bounds, Count
from app.guard.client_address import Network

PREFIX = "GUARD_"


def _networks(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(ipaddress.ip_network(word) for word in value.replace(",", " ").split())


def _words(value: Any) -> Any:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _tokens(value: Any) -> Any:
    """A context length such as 32k or auto is left to the engine, which knows the number."""
    return None if isinstance(value, str) and not value.strip().isdecimal() else value


def _truth(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower(), value)


# Strict, because Pydantic on its own also accepts words such as "yes" and "off".
Switch = Annotated[bool, BeforeValidator(_truth), Field(strict=True)]


def variable(field: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field.upper()


class GuardSettings(Bounds, BaseSettings):
    """All settings of one replica's guard. Requests wait in the engine's queue, not here."""

    model_config = SettingsConfigDict(
        frozen=True,
        alias_generator=AliasGenerator(validation_alias=variable),
        case_sensitive=True,
        populate_by_name=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    max_running: Count = Field(
        256,
        description="Concurrent requests that one replica gives its engine; further ones are "
        "answered with 429. The service sets it to twice `MAX_NUM_SEQS`.",
    )
    open_body_bytes: Count = Field(
        268_435_456,
        description="Memory for the bodies of one replica's requests together, in bytes; bodies "
        "that do not fit are answered with 429. Bodies up to 65,536 bytes do not count.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = Field(
        (),
        description="Networks of proxies that are trusted to report the client's address in "
        "`X-Forwarded-For`.",
        examples=["10.0.0.0/8, 192.168.7.4"],
    )
    cors_origins: Annotated[
        tuple[Annotated[str, AfterValidator(cors.origin)], ...], NoDecode, BeforeValidator(_words)
    ] = Field(
        (),
        description="Origins of web pages that may call the service from a browser (CORS), or `*` "
        "for all.",
        examples=["https://chat.example.com, http://localhost:3000"],
    )
    priority: Switch = Field(
        False,
        description="Give each request the priority of its role; the engine then schedules by "
        "priority.",
    )
    login_failures_per_user: Count = Field(
        lockout.PER_USER,
        description="Failed logins per hour of one user, at all addresses together from which this "
        "user has not logged in before.",
    )
    login_failures_per_address: Count = Field(
        lockout.PER_PLACE,
        description="Failed logins per hour at one address, or at one /64 of IPv6.",
    )
    login_failures_per_network: Count = Field(
        lockout.PER_NETWORK,
        description="Failed logins per hour in one /48 of IPv6, which may have one owner.",
    )
    shared: Switch = Field(True, description="Share counts with other replicas where Ray runs.")
    metrics_by_user: Switch = Field(
        False,
        description="Count requests and tokens of each user by name in the metrics, which "
        "everybody can read who reaches Ray's metrics port.",
    )
    model_name: str = Field("", validation_alias="MODEL_NAME")
    """The model that answers a request without `model`."""
    model_aliases: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = Field(
        (), validation_alias="MODEL_ALIASES"
    )
    """Other names of that model."""
    model_length: Annotated[int | None, BeforeValidator(_tokens)] = Field(
        None, validation_alias="MAX_MODEL_LEN"
    )
    """The context in tokens, where the environment gives it as a number."""
    engine_args: str = Field("", validation_alias="ENGINE_ARGS")
    """The engine's own arguments, which app.engine.settings checks."""
    ray_token: SecretStr = Field(SecretStr(""), validation_alias="RAY_AUTH_TOKEN")
    """The token of the Ray cluster, by which Serve's proxy is recognised."""
    ray_token_path: Path | None = Field(None, validation_alias="RAY_AUTH_TOKEN_PATH")
    """The file of that token, where it is not in the environment itself."""

    def login_failures(self) -> tuple[int, int, int]:
        """Failed logins per hour: of a user, at an address, in a network."""
        return (
            self.login_failures_per_user,
            self.login_failures_per_address,
            self.login_failures_per_network,
        )

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
    known = _variables()
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            raise ConfigurationError(
                f"{name} is not a setting of the guard; allowed: {', '.join(sorted(known))}"
            )
    source = EnvSettingsSource(GuardSettings)
    source.env_vars = {name: environ[name] for name in _fields() if name in environ}
    try:
        return GuardSettings(**source())
    except ValidationError as error:
        raise ConfigurationError("; ".join(sorted(set(_problems(error, environ))))) from None


def table() -> str:
    """The GUARD_ variables as the Markdown table of docs/service.md."""
    rows = ["| variable | allowed | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in _variables().items():
        row = [f"`{name}`", _allowed(field), _shown(field.default), field.description]
        rows.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(rows) + "\n"


def _fields() -> dict[str, FieldInfo]:
    """The fields by the variables from which they are read."""
    return {str(field.validation_alias): field for field in GuardSettings.model_fields.values()}


def _variables() -> dict[str, FieldInfo]:
    """The fields of the guard itself, without those that belong to the engine or to Ray."""
    return {name: field for name, field in _fields().items() if name.startswith(PREFIX)}


def _problems(error: ValidationError, environ: Mapping[str, str]) -> list[str]:
    """One message per variable: its name, its value and what is allowed."""
    messages = []
    for problem in error.errors():
        name = str(problem["loc"][0])
        field = _variables().get(name)
        if field is None:
            messages.append(f"{name} is not valid: {problem['msg']}")
        else:
            reason = f" ({problem['ctx']['error']})" if problem["type"] == "value_error" else ""
            messages.append(f"{name} is {environ[name]!r}{reason}; allowed: {_allowed(field)}")
    return messages


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
