"""Makes the live applications match the wanted ones, and waits for them.

Each turn observes Serve and takes the one step that is missing, so a lost answer, a restarted head,
or a concurrent change by someone else need no special case.
"""

from collections.abc import Collection, Mapping
from typing import Any

from infra.providers.applications.client import ServeClient, ServeError, ServeUnreachableError
from infra.providers.applications.seen import DEPLOY_FAILED, UNHEALTHY, Seen, by_name
from infra.providers.common.properties import without_empty
from infra.providers.common.waiting import Waiting

REQUEST_SECONDS = 30.0
PATIENCE_SECONDS = {
    DEPLOY_FAILED: 3.0,  # final: Ray sets it after three attempts of a replica
    UNHEALTHY: 45.0,  # a replica that is being replaced is back sooner
}
"""An application that keeps one of these statuses for this many seconds has failed."""
RAY_ERROR_SECONDS = 60.0
"""Ray's own 5xx errors are final after this many seconds; a starting head returns some."""
MAX_PUTS = 5
"""How often Ray may accept the same configuration and lose it again."""


class ServeDeployFailedError(ServeError):
    """An application is DEPLOY_FAILED or stays UNHEALTHY. The message quotes Ray."""


class ServeTimeoutError(ServeError):
    """Not every application was RUNNING before the deadline."""


class ForeignApplicationsError(ServeError):
    """The PUT would delete live applications that this resource did not create."""


class Reconciliation:
    """One change of the applications of one cluster."""

    def __init__(
        self,
        client: ServeClient,
        config: Mapping[str, Any],
        waiting: Waiting,
        *,
        owned: Collection[str] = (),
        replace_foreign: bool = False,
        sends: bool = True,
    ) -> None:
        """`owned`: names of applications that were ours before, and may be deleted. Without
        `sends`, KubeRay sends the configuration, and this side waits for it."""
        self._client = client
        self._config = config
        self._waiting = waiting
        self._owned = set(owned) | set(by_name(config))
        self._replace_foreign = replace_foreign or not sends
        self._sends = sends
        self._puts = 0
        self._settled = 0
        self._restarted = False
        self._removing: list[str] = []
        self._unreachable = ""
        self.sent = False
        """A request was sent that may have changed the live applications."""
        self.seen = Seen({"applications": {}}, config)
        """The applications when they were last observed."""

    def run(self) -> None:
        """Return when each wanted application is RUNNING and no other is left.

        ServeError or KubeError names the cause, at the latest when the deadline has passed.
        """
        if not self._waiting.until(self._turn):
            raise self._timeout()

    def _turn(self) -> str | None:
        self._client.timeout = min(REQUEST_SECONDS, max(1.0, self._waiting.remaining))
        try:
            self.seen = Seen(self._client.get(), self._config)
            self._refuse_foreign()
            action = self._act()
        except ServeUnreachableError as error:
            self._settled, self._unreachable = 0, str(error)
            if error.by_ray and self._waiting.lasts("Ray's error", True) > RAY_ERROR_SECONDS:
                raise
            return f"waiting for the head: {self._unreachable[:200]}"
        self._unreachable = ""
        self._waiting.lasts("Ray's error", False)
        if action:
            self._settled = 0
            return action
        self._raise_failures()
        self._settled = self._settled + 1 if self.seen.settled else 0
        # Twice after a change: a replica may start and crash at once.
        if self._settled >= (2 if self.sent or not self._sends else 1):
            return None
        return "; ".join(self.seen.lines(running=False)) or f"{len(self.seen.running)} RUNNING"

    def _act(self) -> str:
        """Send Ray the next request, if one is needed; returns its description, or ""."""
        seen = self.seen
        if not self._sends:
            return "" if seen.matches else "waiting for KubeRay to send the applications"
        self._removing = [name for name in self._removing if name in seen.live]
        if self._removing:
            return f"removing what failed: {', '.join(self._removing)}"
        if not self._restarted and seen.http_differs:
            self.sent = True
            self._client.delete()
            self._restarted = True
            self._removing = list(seen.live)
            return "restarting Serve: its HTTP options changed"
        stuck = [] if self._puts else seen.stuck
        if stuck:
            self._put([name for name in seen.wanted if name not in stuck])
            self._removing = stuck
            return f"removing what failed: {', '.join(stuck)}"
        if not seen.matches:
            if self._puts > MAX_PUTS:
                raise ServeError(
                    f"Ray accepted the applications {self._puts} times and lost them again: either "
                    "the head restarts, or someone else changes them. "
                    f"{self._client.command(f'get pods -l {self._client.pods}')}"
                )
            self._put(list(seen.wanted))
            return f"configuration sent: {', '.join(seen.wanted) or 'nothing'}"
        return ""

    def _put(self, names: list[str]) -> None:
        applications = [self.seen.wanted[name] for name in names]
        self.sent = True
        self._client.put({**without_empty(self._config), "applications": applications})
        self._puts += 1

    def _refuse_foreign(self) -> None:
        foreign = sorted(set(self.seen.live_config) - self._owned)
        if foreign and not self._replace_foreign:
            raise ForeignApplicationsError(
                f"this cluster also serves {', '.join(foreign)}, which this stack did not create; "
                "Ray would delete it now (a PUT deletes what it does not name). Add it to "
                "rayline:models, or allow its deletion: "
                "`pulumi config set --path 'rayline:serve.replaceForeign' true`"
            )

    def _raise_failures(self) -> None:
        failed = []
        for name, app in self.seen.statuses.items():
            for status, patience in PATIENCE_SECONDS.items():
                if self._waiting.lasts(f"{name} {status}", app["status"] == status) >= patience:
                    failed.append(name)
        if failed:
            reasons = "\n".join(self.seen.failure(name) for name in failed)
            running = ", ".join(self.seen.running)
            raise ServeDeployFailedError(
                f"{reasons}\n  More: {self._logs()}"
                + (f"\n  Still serving: {running}." if running else "")
                + "\n  Correct the model's entry in rayline:models and run `pulumi up` again."
            )

    def _timeout(self) -> ServeTimeoutError:
        shown = "\n".join(f"  {line}" for line in self.seen.lines())
        return ServeTimeoutError(
            f"not every application is RUNNING after {self._waiting.elapsed:.0f} s:\n{shown}\n"
            + (f"  Last answer: {self._unreachable}\n" if self._unreachable else "")
            + f"  Look at {self._logs()}. If it only needs more time, raise "
            "`pulumi config set --path 'rayline:timeouts.modelReadySeconds' ...`"
        )

    def _logs(self) -> str:
        return self._client.command(f"logs -l {self._client.pods} --all-containers --tail=50")
