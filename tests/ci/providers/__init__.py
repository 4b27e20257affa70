"""Stand-ins for the CI systems: one module per module of `ci.providers`, with the same name."""

import importlib

from ci import providers
from tests.ci.fake_api import Double


def double(name: str) -> Double:
    """The stand-in for the system called `name`."""
    found: Double = importlib.import_module(f"{__name__}.{name}").DOUBLE
    return found


DOUBLES = {name: double(name) for name in providers.names()}
