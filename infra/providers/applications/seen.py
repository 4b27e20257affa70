"""What Ray says about its applications, compared with what is wanted. Pure functions of JSON.

`details` is the body of GET /api/serve/applications/ (ray/serve/schema.py, ServeInstanceDetails),
`config` the body of the PUT (ServeDeploySchema).
"""

import re
from collections.abc import Mapping
from typing import Any

JsonObject = Mapping[str, Any]
RUNNING = "RUNNING"
DEPLOY_FAILED = "DEPLOY_FAILED"
UNHEALTHY = "UNHEALTHY"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_ERROR_LINE = re.compile(r"^\s*[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Failure)\b.*")
_TRACE_LINES = 25
_LINE_LENGTH = 400


def normal(value: Any) -> Any:
    """The value in one spelling: 1.0 is 1, and what is None or empty is left out.

    Pulumi's state knows floats only, and Ray leaves out what was not set.
    """
    if isinstance(value, Mapping):
        items = {key: normal(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item not in (None, {}, [])}
    if isinstance(value, list | tuple):
        return [normal(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def by_name(config: JsonObject) -> dict[str, Any]:
    """The applications of a PUT body, each in its normal spelling."""
    return {item["name"]: normal(item) for item in config.get("applications") or []}


def live_config(details: JsonObject) -> dict[str, Any]:
    """The applications that were PUT, as they were. Those of `serve.run` are not ours to see."""
    return {
        name: normal(app.get("deployed_app_config") or {"name": name})
        for name, app in details["applications"].items()
        if _declared(app) and app.get("status") != "DELETING"
    }


def leaving(details: JsonObject, config: JsonObject) -> list[str]:
    """Applications that are still there although the configuration does not name them."""
    wanted = by_name(config)
    live = details["applications"].items()
    return [name for name, app in live if name not in wanted and _declared(app)]


def statuses(details: JsonObject, config: JsonObject) -> dict[str, dict[str, str]]:
    """For each wanted application its status and route; status MISSING where Ray has none."""
    live = details["applications"]
    return {
        name: {
            "status": str(live.get(name, {}).get("status", "MISSING")),
            "route_prefix": str(wanted.get("route_prefix", "/")),
        }
        for name, wanted in by_name(config).items()
    }


def matches(details: JsonObject, config: JsonObject) -> bool:
    """Ray was told exactly these applications, whatever state they are in."""
    return live_config(details) == by_name(config)


def http_differs(details: JsonObject, config: JsonObject) -> bool:
    """Serve runs with another host, port or place of its proxies, and would keep them."""
    if not details.get("http_options"):
        return False
    live, wanted = normal(details), normal(config)
    options = wanted.get("http_options", {})
    return any(
        options[key] != live["http_options"].get(key, options[key])
        for key in ("host", "port")
        if key in options
    ) or wanted.get("proxy_location", live.get("proxy_location")) != live.get("proxy_location")


def stuck(details: JsonObject, config: JsonObject) -> list[str]:
    """Applications that failed with the very configuration that is wanted.

    Ray does nothing when it is told the same again (serve/_private/deployment_state.py, deploy), so
    these have to be removed first.
    """
    live, wanted = live_config(details), by_name(config)
    return [
        name
        for name, app in details["applications"].items()
        if app.get("status") == DEPLOY_FAILED
        and name in wanted
        and _code(live.get(name, {})) == _code(wanted[name])
    ]


def summary(name: str, details: JsonObject) -> str:
    """One line: "Dolphin3.0: DEPLOYING, replica starting"."""
    app = details["applications"].get(name)
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
            f"replica {state}" if n == 1 else f"{n} replicas {state}" for state, n in counts.items()
        ]
        why = cause(_messages(app))
        if why:
            parts.append(why[:160])
        elif not counts:
            parts.append("no replica yet")
    return f"{name}: " + ", ".join(parts)


def failure(name: str, details: JsonObject) -> str:
    """Why the application does not run: the cause first, then Ray's own text, its end at most."""
    app = details["applications"].get(name, {})
    text = _messages(app)
    lines = [line[:_LINE_LENGTH] for line in text.splitlines() if line.strip()]
    if len(lines) > _TRACE_LINES:
        head = next((line for line in lines if not line.startswith(" ")), lines[0])
        lines = [head, "  ...", *lines[-_TRACE_LINES:]]
    shown = "\n".join(f"    {line}" for line in lines) or "    Ray gives no message."
    why = cause(text)
    return (
        f"{name} is {app.get('status')}" + (f": {why}" if why else "") + f"\n  Ray says:\n{shown}"
    )


def cause(text: str) -> str:
    """The last line of a traceback, which says what happened; else the first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR_LINE.match(line)]
    return ((errors or lines[:1] or [""])[-1])[:_LINE_LENGTH]


def _messages(app: JsonObject) -> str:
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
