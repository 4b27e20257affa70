"""Settings of the guard, from environment variables `GUARD_<FIELD>`, each with a safe default."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from app.guard import client_address
from app.guard.bounds import Bounds
from app.guard.client_address import Network

PREFIX = "GUARD_"


class SettingsError(ValueError):
    """A variable of the guard cannot be used; the message says what is allowed."""


@dataclass(frozen=True)
class GuardSettings:
    """Settings besides the bounds. Requests wait in the engine's queue, not here."""

    bounds: Bounds = field(default_factory=Bounds)
    max_running: int = 256
    """GUARD_MAX_RUNNING: requests with the engine at once on one replica; more get 429."""
    trusted_proxies: tuple[Network, ...] = ()
    """GUARD_TRUSTED_PROXIES: networks whose X-Forwarded-For tells the client's address."""
    priority: bool = False
    """GUARD_PRIORITY: write the role's priority in; needs the engine to schedule by priority."""
    shared: bool = True
    """GUARD_SHARED: share counts over replicas where Ray runs."""
    model_name: str = ""
    """MODEL_NAME: what a request without `model` means."""
    model_length: int | None = None
    """MAX_MODEL_LEN: the context in tokens, where it is set."""
    proxy_proof: bytes = field(default=b"", repr=False)
    """By which Serve's HAProxy is known: see `app.guard.client_address`."""


def from_environment(environ: Mapping[str, str]) -> GuardSettings:
    """The settings; SettingsError for an unknown GUARD_ name or a bad value."""
    numbers = [f.name for f in fields(Bounds) if f.name != "media_domains"]
    others = ("media_domains", "max_running", "trusted_proxies", "priority", "shared")
    known = {PREFIX + name.upper() for name in (*numbers, *others)}
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            raise SettingsError(f"{name} is unknown; allowed: {', '.join(sorted(known))}")
    given = {name: _number(environ, name) for name in numbers if PREFIX + name.upper() in environ}
    domains = environ.get("GUARD_MEDIA_DOMAINS", "").lower().replace(",", " ").split()
    length = environ.get("MAX_MODEL_LEN", "").strip()
    running = "GUARD_MAX_RUNNING" in environ
    return GuardSettings(
        bounds=Bounds(**given, media_domains=frozenset(domains)),
        max_running=_number(environ, "max_running") if running else GuardSettings.max_running,
        trusted_proxies=_networks(environ.get("GUARD_TRUSTED_PROXIES", "")),
        priority=_flag(environ, "priority", GuardSettings.priority),
        shared=_flag(environ, "shared", GuardSettings.shared),
        model_name=environ.get("MODEL_NAME", ""),
        model_length=int(length) if length.isdecimal() else None,
        proxy_proof=client_address.proof(environ),
    )


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(word) for word in text.replace(",", " ").split())
    except ValueError as error:
        raise SettingsError(
            f"GUARD_TRUSTED_PROXIES: {error}; allowed: networks such as 10.0.0.0/8"
        ) from None


def _number(environ: Mapping[str, str], name: str) -> int:
    text = environ[PREFIX + name.upper()].strip()
    if not text.isdecimal() or not 0 < int(text) < 2**31:
        raise SettingsError(f"{PREFIX}{name.upper()} is {text!r}; allowed: 1 to {2**31 - 1}")
    return int(text)


def _flag(environ: Mapping[str, str], name: str, default: bool) -> bool:
    text = environ.get(PREFIX + name.upper(), str(default)).strip().lower()
    if text not in {"true", "false", "1", "0"}:
        raise SettingsError(f"{PREFIX}{name.upper()} is {text!r}; allowed: true, false")
    return text in {"true", "1"}
