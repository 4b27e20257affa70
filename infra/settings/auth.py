"""`rayline:auth`. Password hashes and signing keys are encrypted keys (`secret_keys`)."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import ObjectName
from infra.settings.framework.text import Text

ALL = "*"
_LARGEST = 2**31 - 1
"""The largest number that app.access.roles accepts."""

UserName = Annotated[
    str,
    Text(
        r"[A-Za-z0-9][A-Za-z0-9._@-]*",
        "at most 64 letters, digits, ., _, @ and -, which begin with a letter or digit",
        "<name>",
        64,
    ),
]
RoleName = Annotated[
    str,
    Text(
        r"[A-Za-z0-9][A-Za-z0-9._-]*",
        "at most 64 letters, digits, ., _ and -, which begin with a letter or digit",
        "<name>",
        64,
    ),
]
# app.auth.tokens.NAME, which names of service tokens match; their IDs are hexadecimal digits.
ServiceToken = RoleName
ServedName = Annotated[
    str, Text(r"\S+", "at most 256 characters without white space", "<model>", 256)
]
RouteGroup = Literal[
    "*", "audio", "describe", "inference", "metrics", "models", "operate", "pooling", "tokenize"
]


def _unlimited(value: Any) -> Any:
    return None if value in (ALL, [ALL]) else value


def _listed(value: Any) -> Any:
    return [ALL] if value == ALL else value


# "*" is converted before the check: pydantic reports a mistake in a union once per member.
_NUMBER = {"type": "integer", "minimum": 1, "maximum": _LARGEST}
Limit = Annotated[
    Annotated[int, Field(ge=1, le=_LARGEST, strict=True)] | None,
    BeforeValidator(_unlimited),
    WithJsonSchema({"anyOf": [_NUMBER, {"const": ALL}, {"type": "null"}]}),
]
_NAMES = {"type": "array", "items": {"type": "string", "pattern": r"^\S+$", "maxLength": 256}}
ServedNames = Annotated[
    tuple[ServedName, ...] | None,
    BeforeValidator(_unlimited),
    WithJsonSchema({"anyOf": [_NAMES, {"const": ALL}, {"type": "null"}]}),
]
_GROUPS = {"type": "array", "items": {"enum": list(get_args(RouteGroup)), "type": "string"}}
RouteGroups = Annotated[
    tuple[RouteGroup, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [_GROUPS, {"const": ALL}]}),
]


class User(Settings):
    """A person who may log in. The hash of the password is `rayline:userHashes.<name>`; without it
    rayline generates a password: `pulumi stack output passwords --show-secrets`."""

    name: UserName
    """User name at `POST /token`."""
    role: RoleName = "user"
    """admin, user, guest, or a role of `roles`."""


class Role(Settings):
    """What one role may do. Limits count per user. In a default role (admin, user, guest), a key
    that is absent keeps its default (docs/service.md); in any other role, it grants no route and
    sets no limit."""

    groups: RouteGroups = ()
    """Groups of routes that the role may call, or "*" for all. operate can stop the engine and run
    code in it."""
    models: ServedNames = None
    """Names of models that the role may use, or "*" for all."""
    requests_per_minute: Limit = None
    """Requests per minute, or "*" for no limit."""
    tokens_per_minute: Limit = None
    """Prompt and completion tokens per minute, counted when a request has ended; or "*" for no
    limit."""
    concurrent: Limit = None
    """Requests that run at the same time, or "*" for no limit."""
    max_tokens: Limit = None
    """Completion tokens that one request may ask for, over all of its prompts and answers; or "*"
    for no limit."""
    priority: int = Field(0, ge=-(2**31), le=_LARGEST, strict=True)
    """Requests with a lower number run first, where api.priority is true."""
    share_cache: bool = Field(False, strict=True)
    """Let all users of the role share one prefix cache. Prompts that begin alike are then answered
    sooner, but the time of an answer tells each of them what others of the role have sent. false:
    each user has a cache of their own."""
    grammars: bool = Field(False, strict=True)
    """Whether the role may send EBNF and Lark grammars and structural tags; a role with the group
    operate always may."""


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
    roles: dict[RoleName, Role] = Field({})
    """Changed or additional roles, by name."""
    revoked_service_tokens: tuple[ServiceToken, ...] = Field((), max_length=1000)
    """IDs or names of service tokens that are no longer accepted."""
