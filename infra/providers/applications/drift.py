"""Whether Ray still serves what the state says. The engine's comparison asks, in previews too: the
loss of a head changes nothing that Pulumi keeps, and `up` would call lost applications unchanged.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from infra.providers.applications.client import ServeClient, ServeError, ServeUnreachableError
from infra.providers.applications.seen import Seen
from infra.providers.applications.wanted import Wanted
from infra.providers.common.looking import UnreachableError, within
from infra.providers.common.properties import Props

SECONDS = 8.0
"""A preview waits so long for an answer, credentials included."""
REQUEST_SECONDS = 5.0
UNKNOWN = "it was not checked whether the applications are there"
Open = Callable[[], AbstractContextManager[tuple[ServeClient, Wanted]]]


def difference(connect: Open, props: Props) -> str:
    """What is wrong with the applications, or that nobody knows; empty if they run as wanted."""

    def look() -> Seen | str:
        with connect() as (client, wanted):
            client.timeout = REQUEST_SECONDS
            try:
                seen = Seen(client.get(), props["config"])
                if _as_wanted(seen) and not wanted.is_finished():
                    where = f"the ConfigMap {wanted.name} is not up to date"
                    return f"a lost head would restore nothing: {where}"
                return seen
            except ServeUnreachableError as error:
                if error.no_api_server:
                    return f"{UNKNOWN}: {error}"
                return (
                    f"Ray's Serve API does not answer, so the applications count as lost: {error}"
                )
            except ServeError as error:
                return f"{UNKNOWN}: {error}"

    try:
        seen = within(SECONDS, look, props["context"])
    except UnreachableError as error:
        return f"{UNKNOWN}: {error}"
    if isinstance(seen, str):
        return seen
    if _as_wanted(seen):
        return ""
    lines = "; ".join(seen.lines(running=False)) or "Ray has another configuration"
    return f"the applications are not as the last `up` left them: {lines}"


def _as_wanted(seen: Seen) -> bool:
    return seen.settled and seen.matches and not seen.http_differs
