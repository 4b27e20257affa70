"""The CI systems: every module of this package is one, and `--comment` offers its name."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping

from ci.provider import Provider


def names() -> tuple[str, ...]:
    """The names of all systems, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load(name: str) -> Provider:
    """The system called `name`, one of `names()`."""
    provider: Provider = importlib.import_module(f"{__name__}.{name}").PROVIDER
    return provider


def every() -> Iterator[Provider]:
    """All systems, in the order of their names."""
    return map(load, names())


def current(environ: Mapping[str, str]) -> Provider | None:
    """The system that runs this process; None on a developer's machine."""
    return next((provider for provider in every() if provider.is_running(environ)), None)


def comment_tokens() -> frozenset[str]:
    """Variables of all systems that contain a token for comments."""
    return frozenset(name for provider in every() for name in provider.comment_tokens)
