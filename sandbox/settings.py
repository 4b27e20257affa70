"""The user's choices for the sandbox, and the addresses derived from them."""

import os
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from toolchain.errors import UserError

PREFIX = "RAYLINE_"


def _is_private_16(network: IPv4Network) -> IPv4Network:
    if network.prefixlen != 16 or not network.is_private:
        raise ValueError("not a private /16")
    return network


def _whole(given: object) -> object:
    return int(given) if isinstance(given, str) and given.strip().isdecimal() else given


# Strict, because Pydantic on its own also accepts text such as "2.0".
WholeNumber = Annotated[int, BeforeValidator(_whole), Field(strict=True)]


def _is_0_or_1(given: object) -> object:
    """Stricter than Pydantic's own `bool`, which accepts words as well."""
    if isinstance(given, str) and given not in {"0", "1"}:
        raise ValueError("neither 0 nor 1")
    return given


class Settings(BaseModel):
    """The choices with their defaults; `from_environment` reads them from variables.

    Every address lies in `network`, which belongs to the sandbox alone: host and node share its
    first /30, pods have the 65th /24, and services the first /20 of the upper half. One variable
    therefore moves all of them.
    """

    model_config = ConfigDict(frozen=True)

    network: Annotated[IPv4Network, AfterValidator(_is_private_16)] = Field(
        IPv4Network("10.213.0.0/16"),
        description="Private network of the node, its pods and its Services.",
        json_schema_extra={"allowed": "a private IPv4 network of size /16"},
    )
    registry_port: WholeNumber = Field(
        5000, ge=1, le=65535, description="TCP port of the registry on 127.0.0.1."
    )
    gpus: WholeNumber = Field(
        4, ge=0, le=64, description="Number of GPUs that the node advertises, without a device."
    )
    gpu_taint: Annotated[bool, BeforeValidator(_is_0_or_1)] = Field(
        False,
        description="1 taints the node `dedicated.apiac.ru=w-gpu:NoExecute`.",
        json_schema_extra={"allowed": "0 or 1"},
    )
    enforce_policies: Annotated[bool, BeforeValidator(_is_0_or_1)] = Field(
        False,
        description="1 enforces NetworkPolicies.",
        json_schema_extra={"allowed": "0 or 1"},
    )

    @property
    def host_address(self) -> IPv4Address:
        """The host's end of the link to the node."""
        return self.network[1]

    @property
    def node_address(self) -> IPv4Address:
        """The node's end of the link, for API server, kubelet and NodePorts."""
        return self.network[2]

    @property
    def pod_network(self) -> IPv4Network:
        return IPv4Network((self.network[64 * 256], 24))

    @property
    def service_network(self) -> IPv4Network:
        return IPv4Network((self.network[128 * 256], 20))

    @property
    def api_service_address(self) -> IPv4Address:
        """The first Service address, which Kubernetes gives to `kubernetes.default`."""
        return self.service_network[1]

    @property
    def dns_address(self) -> IPv4Address:
        return self.service_network[10]

    @property
    def api_url(self) -> str:
        return f"https://{self.node_address}:6443"

    @property
    def registry(self) -> str:
        """The registry's name, the same on host and node, so that references are valid on both."""
        return f"localhost:{self.registry_port}"


def variable(field: str) -> str:
    """The environment variable of a field."""
    return f"{PREFIX}{field.upper()}"


class _FromEnvironment(BaseSettings, Settings):
    """Ignores other `RAYLINE_*` variables, which belong to other parts of the project."""

    model_config = SettingsConfigDict(
        frozen=True,
        alias_generator=variable,
        case_sensitive=True,
        env_ignore_empty=True,
        extra="ignore",
    )


def from_environment() -> Settings:
    """Read one variable per field, `RAYLINE_` and its name in capitals; empty means the default.

    Raises `UserError` that states, for each wrong variable, its value, what is allowed and what to
    type.
    """
    try:
        chosen = _FromEnvironment()
    except ValidationError as error:
        raise _refusal(error) from None
    return Settings(**dict(chosen))


def shown(value: Any) -> str:
    """A value as it is written in its variable."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _refusal(error: ValidationError) -> UserError:
    fields = {variable(name): field for name, field in Settings.model_fields.items()}
    sentences, examples = [], []
    for problem in error.errors():
        name = str(problem["loc"][0])
        field = fields[name]
        given, allowed = os.environ[name], _allowed(field)
        sentences.append(f"{name}={given!r} is not allowed; it must be {allowed}.")
        examples.append(f"{name}={shown(field.default)}")
    return UserError(" ".join(sentences), f"For example: make sandbox {' '.join(examples)}")


def _allowed(field: FieldInfo) -> str:
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["allowed"])
    low, high = (
        next(value for item in field.metadata if (value := getattr(item, bound, None)) is not None)
        for bound in ("ge", "le")
    )
    return f"a whole number from {low} to {high}"
