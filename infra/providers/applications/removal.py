"""Looking at Serve without changing it, and taking our applications away."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from infra.providers.applications import seen
from infra.providers.applications.client import ServeClient
from infra.providers.applications.errors import ServeUnreachableError
from infra.providers.common.clock import Clock

LOOK_SECONDS = 30.0
REMOVE_SECONDS = 300.0
SILENT_SECONDS = 60.0
POLL_SECONDS = 2.0


def look(client: ServeClient, clock: Clock) -> Mapping[str, Any] | None:
    """What is live; None where the head's Service or its namespace does not exist.

    ServeUnreachableError when the head gives no answer for 30 seconds: absent and broken are not
    the same, and a refresh that mixed them up would have the next `up` start from nothing.
    """
    until = clock.now() + LOOK_SECONDS
    while True:
        try:
            return client.get()
        except ServeUnreachableError as error:
            if error.missing:
                return None
            if clock.now() >= until:
                raise
        clock.sleep(POLL_SECONDS)


def remove(
    client: ServeClient,
    names: Collection[str],
    show: Callable[[str], None],
    warn: Callable[[str], None],
    clock: Clock,
) -> None:
    """Delete our applications and wait until they are gone; those of others stay.

    A head that gives no answer for a minute is left with a warning and not an error: applications
    live in the head's memory alone, and what is deleted next is its RayCluster. An error would only
    keep a broken cluster from being destroyed.
    """
    began = heard = clock.now()
    while True:
        try:
            if _gone(client, names):
                return
            heard = clock.now()
            show(f"removing {', '.join(sorted(names))}")
        except ServeUnreachableError as error:
            if error.missing:
                return
            if clock.now() - heard >= SILENT_SECONDS:
                warn(
                    f"the applications were not deleted: the head does not answer. {error}. "
                    "They end with it; if you keep the RayCluster, restart the head: "
                    f"{client.see(f'delete pod -l {client.pods},ray.io/node-type=head')}"
                )
                return
        if clock.now() - began >= REMOVE_SECONDS:
            warn(
                f"the applications are still leaving after {REMOVE_SECONDS:.0f} s; Ray goes on. "
                f"{client.see(f'get pods -l {client.pods}')}"
            )
            return
        clock.sleep(POLL_SECONDS)


def _gone(client: ServeClient, names: Collection[str]) -> bool:
    details = client.get()
    live = details["applications"]
    if not any(name in live for name in names):
        return True
    declared = seen.live_config(details)
    others = [app for name, app in declared.items() if name not in names]
    if set(live) - set(names):
        if any(name in declared for name in names):
            http = {key: details[key] for key in ("proxy_location",) if details.get(key)}
            client.put({**http, "applications": others})
    elif declared:
        client.delete()
    return False
