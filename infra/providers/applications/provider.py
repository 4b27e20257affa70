"""ServeApplications, as the plug-in provides it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infra.providers.applications import drift, removal
from infra.providers.applications.client import ServeClient, ServeError
from infra.providers.applications.reconcile import Reconciliation
from infra.providers.applications.resource import OUTPUTS, TYPE
from infra.providers.applications.seen import RUNNING, by_name
from infra.providers.applications.wanted import Wanted, WantedError
from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.call import Call, CallCancelledError
from infra.providers.common.properties import UNKNOWN, Props, differing, only, without_empty
from infra.providers.common.provider import Checked, Created, Diff, Failure, Live, Provider
from infra.providers.common.ray_cluster import IDENTITY, PLACE
from infra.providers.common.waiting import Waiting

ID = "serve"
INPUTS = (
    *PLACE,
    "head_service",
    "token_secret",
    "config",
    "wanted",
    "templates",
    "pods",
    "deadline_seconds",
    "sends",
    "replace_foreign",
)
COMPARED = ("context", "head_service", "token_secret", "config", "wanted")


class ServeApplicationsProvider(Provider):
    """Creates, updates, reads and deletes all Serve applications of one RayCluster."""

    type = TYPE
    outputs = OUTPUTS

    def check(self, _olds: Props, news: Props) -> Checked:
        """Whether the inputs are complete and well-formed. Uses no network."""
        inputs = {key: news[key] for key in INPUTS if news.get(key) is not None}
        inputs.setdefault("replace_foreign", False)
        inputs.setdefault("wanted", "")
        inputs.setdefault("sends", True)
        failures = [Failure(key, "is missing") for key in INPUTS if key not in inputs]
        failures += _config_failures(inputs.get("config", UNKNOWN))
        deadline = inputs.get("deadline_seconds", UNKNOWN)
        if deadline is not UNKNOWN and not (isinstance(deadline, int | float) and deadline > 0):
            failures.append(
                Failure("deadline_seconds", f"{deadline!r} is not a positive number of seconds")
            )
        return Checked(inputs, failures)

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        """A different deadline is not a change. An application that was not RUNNING when last
        observed is: the next `up` repairs it.

        Pod identities are unknown during a preview; that alone is not a change. `templates` already
        shows which groups restart. When it is empty (`upgrade: manual`), nothing does.
        """
        replaces = differing(olds, news, IDENTITY)

        def differs(key: str) -> bool:
            return bool(without_empty(olds.get(key)) != without_empty(news.get(key)))

        changed = any(differs(key) for key in COMPARED)
        changed |= bool(news.get("templates")) and differs("templates")
        changed |= not _has_unknown(news.get("pods")) and differs("pods")
        last = (olds.get("applications") or {}).values()
        unwell = any(app.get("status") != RUNNING for app in last)
        return Diff(bool(replaces) or changed or unwell, replaces)

    def drifted(self, call: Call, olds: Props, _news: Props) -> bool:
        """Ray is asked each time: what is lost, unhealthy or silent is a change, and said."""
        found = drift.difference(lambda: _serve(call, olds), olds)
        if found:
            call.warn(found)
        return bool(found)

    def create(self, call: Call, props: Props) -> Created:
        """Adopts the result of an interrupted `up`; refuses if there are foreign applications."""
        return Created(ID, self._reconcile(call, props, owned=()))

    def update(self, call: Call, _id: str, olds: Props, news: Props) -> Props:
        """Sends Ray only what it does not have yet."""
        return self._reconcile(call, news, owned=tuple(by_name(olds.get("config") or {})))

    def read(self, call: Call, _id: str, props: Props) -> Live | None:
        """The live applications. Without the head's Service the resource is gone; no answer is an
        error."""
        with _serve(call, props) as (client, _):
            seen = removal.look(client, props["config"], call.clock)
        if seen is None:
            return None
        config = props["config"]
        if not seen.matches:
            config = {**config, "applications": list(seen.live_config.values())}
        inputs = only(props, INPUTS)
        return Live({**inputs, "config": config, "applications": seen.statuses}, inputs)

    def delete(self, call: Call, _id: str, props: Props) -> None:
        """Removes our applications. An absent cluster, namespace or Service is success. Those of a
        RayService end with it."""
        if not props.get("sends", True):
            return
        with _serve(call, props) as (client, wanted):
            try:
                wanted.unfinish()
            except KubeError as error:
                if not error.transient:
                    raise
            names = set(by_name(props.get("config") or {}))
            names |= set(props.get("applications") or {})
            removal.remove(client, names, call.status, call.warn, call.clock)

    def _reconcile(self, call: Call, props: Props, owned: tuple[str, ...]) -> Props:
        with _serve(call, props) as (client, wanted):
            work = Reconciliation(
                client,
                props["config"],
                Waiting(call.status, call.clock, float(props["deadline_seconds"])),
                owned=owned,
                replace_foreign=bool(props.get("replace_foreign")),
                sends=bool(props.get("sends", True)),
            )
            try:
                work.run()
                wanted.finish(props["config"])
            except (CallCancelledError, KubeError, ServeError, WantedError) as error:
                if not work.sent:
                    raise
                call.fail(error, ID, {**only(props, INPUTS), "applications": work.seen.statuses})
            return {**only(props, INPUTS), "applications": work.seen.statuses}


@contextmanager
def _serve(call: Call, props: Props) -> Iterator[tuple[ServeClient, Wanted]]:
    namespace = props["namespace"]
    with KubeClient(props["context"], call.run) as kube:
        client = ServeClient(
            kube, namespace, props["cluster"], props["head_service"], props["token_secret"]
        )
        yield client, Wanted(kube, namespace, props.get("wanted") or "")


def _has_unknown(pods: Any) -> bool:
    """Whether the pods of all groups, of one group, or one pod are unknown."""
    if isinstance(pods, dict | list):
        return any(map(_has_unknown, pods.values() if isinstance(pods, dict) else pods))
    return pods is UNKNOWN


def _config_failures(config: object) -> list[Failure]:
    if config is UNKNOWN:
        return []
    applications = config.get("applications") if isinstance(config, dict) else None
    if applications is UNKNOWN:
        return []
    if not isinstance(applications, list):
        return [Failure("config", "has no list `applications`: see infra/specs/serve_config")]
    names = [app.get("name") for app in applications if isinstance(app, dict)]
    unknown = sum(app is UNKNOWN for app in applications) + names.count(UNKNOWN)
    known = [name for name in names if isinstance(name, str)]
    if len(known) + unknown != len(applications):
        return [Failure("config", "an application has no name")]
    twice = sorted({name for name in known if known.count(name) > 1})
    return [Failure("config", f"{name} appears twice; names must be unique") for name in twice]
