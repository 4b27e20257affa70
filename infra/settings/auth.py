"""Users, roles and tokens. Hashes and keys are encrypted configuration of their own."""

from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from infra.settings.base import DnsLabel, Settings

UserName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$", max_length=64)
]


class User(Settings):
    """Someone who may log in. The password's hash is `rayline:userHashes.<name>`; where it is
    absent a password is made, see `pulumi stack output passwords --show-secrets`."""

    name: UserName
    """User name at `POST /token`."""
    role: str = "user"
    """admin, user, guest, or a role of `roles`."""


class Auth(Settings):
    """What the service believes about its users; the Secret that Ray workers mount as files."""

    secret_name: DnsLabel = "auth-config"
    """Name of the Secret. It is changed in place, and the service takes a change up by itself."""
    token_minutes: int = Field(60, ge=1, le=31 * 24 * 60)
    """Life of a token in minutes; at most 31 days."""
    skip_expiry_check: bool = False
    """Accept expired tokens. For a demonstration at most; the service warns at every start."""
    users: tuple[User, ...] = Field(min_length=1)
    """Who may log in."""
    roles: dict[str, dict[str, JsonValue]] = Field({})
    """Changed or further roles, see docs/service.md."""
    revoked_service_tokens: tuple[str, ...] = ()
    """Ids or names of service tokens that are no longer accepted."""
