"""Bringing the live applications to the wanted ones, and waiting for them.

Each turn looks at what Ray says and does the one thing that is missing, so that an answer that was
lost, a head that restarted, or another's change in between need no case of their own.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from infra.providers.applications import seen
from infra.providers.applications.client import ServeClient
from infra.providers.applications.errors import (
    ForeignApplicationsError,
    ServeDeployFailedError,
    ServeError,
    ServeTimeoutError,
    ServeUnreachableError,
)
from infra.providers.common.clock import Clock
from infra.providers.common.progress import Progress


@dataclass(frozen=True)
class Pace:
    """Patience, in seconds unless it says otherwise."""

    poll: float = 2.0
    request: float = 30.0
    """One request."""
    failed: float = 3.0
    """DEPLOY_FAILED for so long is final; Ray sets it after three attempts of a replica."""
    unhealthy: float = 45.0
    """UNHEALTHY for so long is final; a replica that is replaced is back earlier."""
    ray_error: float = 60.0
    """Ray's own 5xx for so long is final; a starting head gives some."""
    puts: int = 5
    """Times that the same configuration may be lost after Ray took it."""


class Deployment:
    """One change of the applications of one cluster."""

    def __init__(
        self,
        client: ServeClient,
        config: Mapping[str, Any],
        progress: Progress,
        clock: Clock,
        *,
        owned: Collection[str] = (),
        replace_foreign: bool = False,
        pace: Pace | None = None,
    ) -> None:
        """`owned`: names of applications that were ours before, and may go."""
        self._client = client
        self._config = config
        self._progress = progress
        self._clock = clock
        self._owned = set(owned) | set(seen.by_name(config))
        self._replace_foreign = replace_foreign
        self._pace = pace or Pace()
        self._since: dict[str, float] = {}
        self._puts = 0
        self._restarted = False
        self._removing: list[str] = []
        self.told = False
        """Something was sent that may have changed what is live."""
        self.details: Mapping[str, Any] = {"applications": {}}
        """What Ray said last."""

    @property
    def statuses(self) -> dict[str, dict[str, str]]:
        """For each wanted application its status and route prefix, as last seen."""
        return seen.statuses(self.details, self._config)

    def run(self) -> dict[str, dict[str, str]]:
        """Return when each wanted application is RUNNING and no other is left.

        ServeError, or KubeError, names the cause; at the latest when the deadline has passed.
        """
        settled, last = 0, ""
        while True:
            if self._progress.remaining <= 0:
                raise self._timeout(last)
            self._client.timeout = min(self._pace.request, max(1.0, self._progress.remaining))
            try:
                self.details = self._client.get()
                self._refuse_foreign()
                last, acted = "", self._act()
                self._since.pop("Ray", None)
            except ServeUnreachableError as error:
                settled, last = 0, str(error)
                if error.by_ray and self._lasts("Ray", True) > self._pace.ray_error:
                    raise
                self._progress.state(f"waiting for the head: {last[:200]}")
                self._clock.sleep(self._pace.poll)
                continue
            if acted:
                settled = 0
                self._progress.state(acted)
            else:
                self._report()
                self._raise_failures()
                settled = settled + 1 if self._done() else 0
                # Twice after a change: a replica may come up and fall over at once.
                if settled >= (2 if self.told else 1):
                    return self.statuses
            self._clock.sleep(self._pace.poll)

    def _act(self) -> str:
        """Do the next thing that has to be told to Ray. What it was; empty: nothing."""
        live = self.details["applications"]
        self._removing = [name for name in self._removing if name in live]
        if self._removing:
            return f"removing what failed: {', '.join(self._removing)}"
        if not self._restarted and seen.http_differs(self.details, self._config):
            self.told = True
            self._client.delete()
            self._restarted = True
            self._removing = list(live)
            return "restarting Serve: its HTTP options changed"
        stuck = [] if self._puts else seen.stuck(self.details, self._config)
        if stuck:
            self._put([name for name in seen.by_name(self._config) if name not in stuck])
            self._removing = stuck
            return f"removing what failed: {', '.join(stuck)}"
        if not seen.matches(self.details, self._config):
            if self._puts > self._pace.puts:
                raise ServeError(
                    f"Ray took the applications {self._puts} times and lost them again: either the "
                    "head restarts, or someone else changes them. "
                    f"{self._client.see(f'get pods -l {self._client.pods}')}"
                )
            self._put(list(seen.by_name(self._config)))
            return f"configuration sent: {', '.join(seen.by_name(self._config)) or 'nothing'}"
        return ""

    def _put(self, names: list[str]) -> None:
        applications = self._config.get("applications") or []
        body = {
            **seen.normal(self._config),
            "applications": [seen.normal(app) for app in applications if app["name"] in names],
        }
        self.told = True
        self._client.put(body)
        self._puts += 1

    def _refuse_foreign(self) -> None:
        foreign = sorted(set(seen.live_config(self.details)) - self._owned)
        if foreign and not self._replace_foreign:
            raise ForeignApplicationsError(
                f"this cluster also serves {', '.join(foreign)}, which this stack did not make; "
                "Ray would delete it now (a PUT deletes what it does not name). Add it to "
                "rayline:models, or let it be deleted: "
                "`pulumi config set --path 'rayline:serve.replaceForeign' true`"
            )

    def _report(self) -> None:
        names = [name for name, app in self.statuses.items() if app["status"] != seen.RUNNING]
        gone = [f"{name}: leaving" for name in seen.leaving(self.details, self._config)]
        lines = [seen.summary(name, self.details) for name in names] + gone
        self._progress.state("; ".join(lines) or f"{len(self.statuses)} RUNNING")

    def _raise_failures(self) -> None:
        patience = {
            seen.DEPLOY_FAILED: self._pace.failed,
            seen.UNHEALTHY: self._pace.unhealthy,
        }
        failed = []
        for name, app in self.statuses.items():
            for status, seconds in patience.items():
                if self._lasts(f"{name} {status}", app["status"] == status) >= seconds:
                    failed.append(name)
        if failed:
            reasons = "\n".join(seen.failure(name, self.details) for name in failed)
            running = [n for n, app in self.statuses.items() if app["status"] == seen.RUNNING]
            raise ServeDeployFailedError(
                f"{reasons}\n  More: {self._logs()}"
                + (f"\n  Still serving: {', '.join(running)}." if running else "")
                + "\n  Correct the model's entry in rayline:models and run `pulumi up` again."
            )

    def _done(self) -> bool:
        running = all(app["status"] == seen.RUNNING for app in self.statuses.values())
        return running and not seen.leaving(self.details, self._config)

    def _lasts(self, what: str, now: bool) -> float:
        """For how long something has been so, without a break."""
        if not now:
            self._since.pop(what, None)
            return -1.0
        return self._clock.now() - self._since.setdefault(what, self._clock.now())

    def _timeout(self, last: str) -> ServeTimeoutError:
        lines = [seen.summary(name, self.details) for name in self.statuses]
        lines += [f"{name}: leaving" for name in seen.leaving(self.details, self._config)]
        shown = "\n".join(f"  {line}" for line in lines)
        return ServeTimeoutError(
            f"not every application is RUNNING after {self._progress.elapsed:.0f} s:\n{shown}\n"
            + (f"  Last answer: {last}\n" if last else "")
            + f"  Look at {self._logs()}. If it only needs longer, raise "
            "`pulumi config set --path 'rayline:timeouts.modelReadySeconds' ...`"
        )

    def _logs(self) -> str:
        return self._client.see(f"logs -l {self._client.pods} --all-containers --tail=50")
