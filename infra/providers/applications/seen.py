"""The state of Serve's applications at one moment, compared with the wanted configuration.

Pure functions of JSON. `details` is the body of GET /api/serve/applications/ (ray/serve/schema.py,
ServeInstanceDetails), `config` the body of the PUT (ServeDeploySchema).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from infra.providers.common.properties import without_empty

JsonObject = Mapping[str, Any]
RUNNING = "RUNNING"
DEPLOY_FAILED = "DEPLOY_FAILED"
PROXIES = "rayline-proxies"
"""The application that keeps a proxy on each worker; the same as in infra.specs.serve_config. It is
no model, and it is incomplete whenever a worker is, so nobody waits for it."""
UNHEALTHY = "UNHEALTHY"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_ERROR_LINE = re.compile(r"^\s*[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Failure)\b.*")
_TRACE_LINES = 25
_LINE_LENGTH = 400


def by_name(config: JsonObject) -> dict[str, Any]:
    """The applications of a PUT body, each without its unset fields."""
    return {item["name"]: without_empty(item) for item in config.get("applications") or []}


@dataclass(frozen=True)
class Seen:
    """Ray's latest answer, beside the configuration that is wanted."""

    details: JsonObject
    config: JsonObject

    @cached_property
    def wanted(self) -> dict[str, Any]:
        """The wanted applications by name."""
        return by_name(self.config)

    @cached_property
    def live(self) -> Mapping[str, Any]:
        """Ray's details of every application by name, including those of `serve.run`."""
        return dict(self.details["applications"])

    @cached_property
    def live_config(self) -> dict[str, Any]:
        """The live applications that came with a PUT, as they were sent."""
        return {
            name: without_empty(app.get("deployed_app_config") or {"name": name})
            for name, app in self.live.items()
            if _declared(app) and app.get("status") != "DELETING"
        }

    @property
    def matches(self) -> bool:
        """Whether Ray has exactly the wanted applications, in any state."""
        return self.live_config == self.wanted

    @property
    def leaving(self) -> list[str]:
        """Applications that are still there although the configuration does not name them."""
        return [n for n, app in self.live.items() if n not in self.wanted and _declared(app)]

    @property
    def stuck(self) -> list[str]:
        """Applications that failed with the wanted configuration itself.

        Ray ignores a PUT that repeats it (serve/_private/deployment_state.py, deploy), so these
        have to be removed first.
        """
        return [
            name
            for name, app in self.live.items()
            if app.get("status") == DEPLOY_FAILED
            and name in self.wanted
            and _code(self.live_config.get(name, {})) == _code(self.wanted[name])
        ]

    @property
    def statuses(self) -> dict[str, dict[str, str]]:
        """For each wanted model its status, MISSING where Ray has none, and its route."""
        return {
            name: {
                "status": str(self.live.get(name, {}).get("status", "MISSING")),
                "route_prefix": str(wanted.get("route_prefix", "/")),
            }
            for name, wanted in self.wanted.items()
            if name != PROXIES
        }

    @property
    def running(self) -> list[str]:
        """Wanted models that are RUNNING."""
        return [name for name, app in self.statuses.items() if app["status"] == RUNNING]

    @property
    def settled(self) -> bool:
        """Whether every wanted model is RUNNING, and no other is left."""
        return len(self.running) == len(self.statuses) and not self.leaving

    @property
    def http_differs(self) -> bool:
        """Whether Serve runs with a different host, port or proxy location, which it would keep."""
        if not self.details.get("http_options"):
            return False
        live, wanted = without_empty(self.details), without_empty(self.config)
        options = wanted.get("http_options", {})
        return any(
            options[key] != live["http_options"].get(key, options[key])
            for key in ("host", "port")
            if key in options
        ) or wanted.get("proxy_location", live.get("proxy_location")) != live.get("proxy_location")

    def lines(self, *, running: bool = True) -> list[str]:
        """One line per model; `running` includes those that are RUNNING."""
        names = [name for name in self.statuses if running or name not in self.running]
        return [self._summary(name) for name in names] + [
            f"{name}: leaving" for name in self.leaving
        ]

    def failure(self, name: str) -> str:
        """Why the application does not run: the cause first, then the end of Ray's own text."""
        app = self.live.get(name, {})
        text = messages(app)
        lines = [line[:_LINE_LENGTH] for line in text.splitlines() if line.strip()]
        if len(lines) > _TRACE_LINES:
            head = next((line for line in lines if not line.startswith(" ")), lines[0])
            lines = [head, "  ...", *lines[-_TRACE_LINES:]]
        shown = "\n".join(f"    {line}" for line in lines) or "    Ray gives no message."
        why = cause(text)
        return (
            f"{name} is {app.get('status')}"
            + (f": {why}" if why else "")
            + f"\n  Ray reports:\n{shown}"
        )

    def _summary(self, name: str) -> str:
        """One line: "Dolphin3.0: DEPLOYING, replica starting"."""
        app = self.live.get(name)
        if app is None:
            return f"{name}: not there yet"
        parts = [str(app.get("status"))]
        if app.get("status") != RUNNING:
            counts: dict[str, int] = {}
            for deployment in (app.get("deployments") or {}).values():
                for replica in deployment.get("replicas") or []:
                    state = str(replica.get("state", "?")).lower()
                    counts[state] = counts.get(state, 0) + 1
            parts += [
                f"replica {state}" if n == 1 else f"{n} replicas {state}"
                for state, n in counts.items()
            ]
            why = cause(messages(app))
            if why:
                parts.append(why[:160])
            elif not counts:
                parts.append("no replica yet")
        return f"{name}: " + ", ".join(parts)


def cause(text: str) -> str:
    """The last line of a traceback, which names the error; else the first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR_LINE.match(line)]
    return ((errors or lines[:1] or [""])[-1])[:_LINE_LENGTH]


def messages(app: JsonObject) -> str:
    """The application's message and those of its deployments, each once."""
    texts = [str(app.get("message") or "")]
    for name, deployment in (app.get("deployments") or {}).items():
        message = str(deployment.get("message") or "")
        if message and message not in texts:
            texts.append(f"Deployment {name}: {message}")
    return _ESCAPES.sub("", "\n".join(text for text in texts if text.strip()))


def _declared(app: JsonObject) -> bool:
    return str(app.get("source") or "declarative").lower() != "imperative"


def _code(app: JsonObject) -> tuple[Any, ...]:
    return tuple(app.get(key) for key in ("import_path", "runtime_env", "args"))
