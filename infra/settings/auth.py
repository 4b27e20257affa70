"""`rayline:auth`. Password hashes and signing keys are encrypted keys (`secret_keys`)."""

from typing import Annotated

from pydantic import Field, JsonValue

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import Line, ObjectName
from infra.settings.framework.text import Text

UserName = Annotated[
    str,
    Text(
        r"[A-Za-z0-9][A-Za-z0-9._@-]*",
        "at most 64 letters, digits, ., _, @ and -, which begin with a letter or digit",
        "<name>",
        64,
    ),
]


class User(Settings):
    """A person who may log in. The hash of the password is `rayline:userHashes.<name>`; without it
    rayline generates a password: `pulumi stack output passwords --show-secrets`."""

    name: UserName
    """User name at `POST /token`."""
    role: Line = "user"
    """admin, user, guest, or a role of `roles`."""


class Auth(Settings):
    """Users, roles and tokens of the service: the Secret that Ray workers mount as files."""

    secret_name: ObjectName = "auth-config"
    """Name of the Secret. rayline updates it in place, and the service reloads it by itself."""
    token_minutes: int = Field(60, ge=1, le=31 * 24 * 60)
    """Lifetime of a token in minutes; at most 31 days."""
    skip_expiry_check: bool = False
    """Accept expired tokens. For demonstrations only; the service warns at every start."""
    users: tuple[User, ...] = Field(min_length=1, max_length=1000)
    """Who may log in."""
    roles: dict[str, dict[str, JsonValue]] = Field({})
    """Changed or additional roles; docs/service.md describes them."""
    revoked_service_tokens: tuple[Line, ...] = Field((), max_length=1000)
    """IDs or names of service tokens that are no longer accepted."""
