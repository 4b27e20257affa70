"""The dynamic provider of ServeApplications.

Pulumi stores it by reference: this module must import in another process without side effects, and
the class holds nothing. In a preview only `check` and `diff` run; neither uses the network.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.runtime.rpc import UNKNOWN

from infra.providers.applications import removal, seen
from infra.providers.applications.client import ServeClient
from infra.providers.applications.errors import ServeError
from infra.providers.applications.reconcile import Deployment
from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.clock import SystemClock
from infra.providers.common.engine import EngineCall
from infra.providers.common.progress import Progress

Props = dict[str, Any]
ID = "serve"
IDENTITY = ("context", "namespace", "cluster")
INPUTS = (
    *IDENTITY,
    "head_service",
    "token_secret",
    "config",
    "templates",
    "pods",
    "deadline_seconds",
    "replace_foreign",
)
COMPARED = ("head_service", "token_secret", "config")


class ServeApplicationsProvider(ResourceProvider):
    """Creates, changes, reads and deletes all Serve applications of one RayCluster."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Complete and well-formed; no network."""
        inputs = {key: news[key] for key in INPUTS if news.get(key) is not None}
        inputs.setdefault("replace_foreign", False)
        failures = [CheckFailure(key, "is missing") for key in INPUTS if key not in inputs]
        failures += _config_failures(inputs.get("config", UNKNOWN))
        deadline = inputs.get("deadline_seconds", UNKNOWN)
        if deadline != UNKNOWN and not (isinstance(deadline, int | float) and deadline > 0):
            failures.append(
                CheckFailure("deadline_seconds", f"{deadline!r} is not a number of seconds over 0")
            )
        return CheckResult(inputs, failures)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Another deadline is no change. An application that was not RUNNING when it was last seen
        is one: the next `up` puts it right. Pods that a preview cannot know yet are none: it shows
        with `templates` what will restart, and not each look at what goes on running; with none of
        them, nothing will."""
        replaces = [key for key in IDENTITY if olds.get(key) != news.get(key)]

        def differs(key: str) -> bool:
            return bool(seen.normal(olds.get(key)) != seen.normal(news.get(key)))

        changed = any(differs(key) for key in COMPARED)
        changed |= bool(news.get("templates")) and differs("templates")
        changed |= news.get("pods") != UNKNOWN and differs("pods")
        last = (olds.get("applications") or {}).values()
        unwell = any(app.get("status") != seen.RUNNING for app in last)
        return DiffResult(
            changes=bool(replaces or changed or unwell),
            replaces=replaces,
            delete_before_replace=False,
        )

    def create(self, props: Props) -> CreateResult:
        """Adopts what an earlier, interrupted `up` left; refuses where others' applications are."""
        return CreateResult(ID, self._deploy(props, owned=()))

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        """Tells Ray only what it does not know yet."""
        return UpdateResult(self._deploy(news, owned=tuple(seen.by_name(olds.get("config") or {}))))

    def read(self, id_: str, props: Props) -> ReadResult:
        """What is live. No Service of the head: the resource is gone; no answer: an error."""
        with EngineCall(KubeError, ServeError), _serve(props) as client:
            details = removal.look(client, SystemClock())
        if details is None:
            return ReadResult(id_="", outs={})
        config = props["config"]
        if not seen.matches(details, config):
            applications = list(seen.live_config(details).values())
            config = {**config, "applications": applications}
        found = {**_inputs(props), "config": config}
        statuses = seen.statuses(details, props["config"])
        return ReadResult(id_, {**found, "applications": statuses}, _inputs(props))

    def delete(self, _id: str, props: Props) -> None:
        """Leaves no application of ours. An absent cluster, namespace or Service is success."""
        with EngineCall(KubeError, ServeError) as call, _serve(props) as client:
            names = set(seen.by_name(props.get("config") or {}))
            names |= set(props.get("applications") or {})
            removal.remove(client, names, call.status, call.warn, SystemClock())

    def _deploy(self, props: Props, owned: tuple[str, ...]) -> Props:
        clock = SystemClock()
        with EngineCall(KubeError, ServeError) as call, _serve(props) as client:
            work = Deployment(
                client,
                props["config"],
                Progress(call.status, clock, float(props["deadline_seconds"])),
                clock,
                owned=owned,
                replace_foreign=bool(props.get("replace_foreign")),
            )
            try:
                return {**_inputs(props), "applications": work.run()}
            except (KubeError, ServeError) as error:
                if not work.told:
                    raise
                call.fail(error, ID, {**_inputs(props), "applications": work.statuses})


@contextmanager
def _serve(props: Props) -> Iterator[ServeClient]:
    with KubeClient(props["context"]) as kube:
        yield ServeClient(
            kube,
            props["namespace"],
            props["cluster"],
            props["head_service"],
            props["token_secret"],
        )


def _inputs(props: Mapping[str, Any]) -> Props:
    return {key: props[key] for key in INPUTS if key in props}


def _config_failures(config: object) -> list[CheckFailure]:
    if config == UNKNOWN:
        return []
    applications = config.get("applications") if isinstance(config, dict) else None
    if applications == UNKNOWN:
        return []
    if not isinstance(applications, list):
        return [CheckFailure("config", "has no list `applications`: see infra/specs/serve_config")]
    names = [app.get("name") for app in applications if isinstance(app, dict)]
    if len(names) != len(applications) or not all(isinstance(name, str) for name in names):
        return [CheckFailure("config", "an application has no name")]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    return [CheckFailure("config", f"{name} is there twice; names are unique") for name in twice]
