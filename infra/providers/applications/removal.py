"""Reads Serve's applications without changing them, and removes ours."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from infra.providers.applications.client import ServeClient, ServeUnreachableError
from infra.providers.applications.seen import Seen
from infra.providers.common.call import Clock
from infra.providers.common.waiting import Waiting

LOOK_SECONDS = 30.0
REMOVE_SECONDS = 300.0
SILENT_SECONDS = 60.0


def look(client: ServeClient, config: Mapping[str, Any], clock: Clock) -> Seen | None:
    """The live applications; None if the head's Service or its namespace does not exist.

    ServeUnreachableError when the head does not answer for 30 seconds: absent and broken are not
    the same, and a refresh that confused them would make the next `up` start from scratch.
    """
    seen: list[Seen] = []
    errors: list[ServeUnreachableError] = []

    def turn() -> str | None:
        try:
            seen.append(Seen(client.get(), config))
        except ServeUnreachableError as error:
            if error.missing:
                return None
            errors.append(error)
            return "waiting for the head"
        return None

    if not Waiting(_nobody, clock, LOOK_SECONDS).until(turn):
        raise errors[-1]
    return seen[0] if seen else None


def remove(
    client: ServeClient,
    names: Collection[str],
    show: Callable[[str], None],
    warn: Callable[[str], None],
    clock: Clock,
) -> None:
    """Delete our applications and wait until they are gone; foreign applications stay.

    A head that does not answer for a minute causes a warning and not an error: applications exist
    only in the head's memory, and the RayCluster is deleted next. An error would only block the
    removal of a broken cluster.
    """
    waiting = Waiting(show, clock, REMOVE_SECONDS)

    def turn() -> str | None:
        try:
            gone = _gone(client, names)
        except ServeUnreachableError as error:
            if error.missing:
                return None
            if waiting.lasts("silent", True) >= SILENT_SECONDS:
                warn(
                    f"the applications were not deleted: the head does not answer. {error}. "
                    "They end with the head; if you keep the RayCluster, restart it: "
                    f"{client.command(f'delete pod -l {client.pods},ray.io/node-type=head')}"
                )
                return None
        else:
            waiting.lasts("silent", False)
            if gone:
                return None
        return f"removing {', '.join(sorted(names))}"

    if not waiting.until(turn):
        warn(
            f"Ray is still removing the applications after {REMOVE_SECONDS:.0f} s, and continues. "
            f"{client.command(f'get pods -l {client.pods}')}"
        )


def _gone(client: ServeClient, names: Collection[str]) -> bool:
    """Whether none of the applications is left; asks Ray to delete those that are."""
    details = client.get()
    seen = Seen(details, {})
    if not any(name in seen.live for name in names):
        return True
    declared = seen.live_config
    others = [app for name, app in declared.items() if name not in names]
    if set(seen.live) - set(names):
        if any(name in declared for name in names):
            http = {key: details[key] for key in ("proxy_location",) if details.get(key)}
            client.put({**http, "applications": others})
    elif declared:
        client.delete()
    return False


def _nobody(_line: str) -> None:
    """Shows nothing: a refresh reports only its result."""
