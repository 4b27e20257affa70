"""Which routes clients may call, and the group of each. A route that is not listed is closed.

A request's raw path is looked up exactly, without normalisation: `//`, `%2f`, `..`, another case
and an absolute form are not in the table. All routes of vLLM 0.32 are listed; a route that a newer
vLLM adds answers 404 until it is added here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.asgi import Scope

PUBLIC = "public"
"""Answered by the guard itself, without a token."""
INFERENCE, POOLING, AUDIO = "inference", "pooling", "audio"
TOKENIZE, MODELS, DESCRIBE = "tokenize", "models", "describe"
METRICS, OPERATE = "metrics", "operate"
GROUPS = frozenset({INFERENCE, POOLING, AUDIO, TOKENIZE, MODELS, DESCRIBE, METRICS, OPERATE})
"""The groups that a role may have. OPERATE can stop the engine or run code in it. METRICS is
separate, so that a monitoring system needs nothing else."""

_POST: Mapping[str, str] = {
    PUBLIC: "/token",
    INFERENCE: """
        /v1/chat/completions /v1/chat/completions/batch /v1/completions /v1/responses
        /v1/responses/{response_id}/cancel /v1/messages /v1/messages/count_tokens /v1/systemone
        /cohere/v2/chat""",
    POOLING: """
        /v1/embeddings /v2/embed /pooling /classify /score /v1/score /rerank /v1/rerank
        /v2/rerank /generative_scoring""",
    AUDIO: "/v1/audio/transcriptions /v1/audio/translations",
    TOKENIZE: "/tokenize /detokenize",
    OPERATE: """
        /invocations /ping /pause /resume /abort_requests /sleep /wake_up
        /release_kv_cache_memory /collective_rpc /reset_prefix_cache /reset_mm_cache
        /reset_encoder_cache /start_profile /stop_profile /scale_elastic_ep
        /is_scaling_elastic_ep /fault_tolerance/apply /init_weight_transfer_engine
        /shutdown_weight_transfer_engine /start_weight_update /start_draft_weight_update
        /update_weights /finish_weight_update /update_weight_version /weight_checker
        /v1/load_lora_adapter /v1/unload_lora_adapter /inference/v1/generate
        /inference/v1/abort_requests /v1/chat/completions/render /v1/chat/completions/derender
        /v1/completions/render /v1/completions/derender /v1/messages/render
        /v1/responses/render /cohere/v2/chat/render""",
}
_GET: Mapping[str, str] = {
    PUBLIC: "/ /health /ready",
    INFERENCE: "/v1/responses/{response_id}",
    MODELS: "/v1/models",
    DESCRIBE: "/openapi.json /docs /docs/oauth2-redirect /redoc /version",
    METRICS: "/metrics",
    OPERATE: """
        /load /ping /server_info /is_sleeping /is_paused /weight_info /get_world_size
        /tokenizer_info /kv_event_sources /fault_tolerance/status""",
}
_HEAD: Mapping[str, str] = {PUBLIC: "/ /health /ready"}
"""Load balancers check with HEAD. vLLM answers HEAD only for its pages, where it stays closed."""
_METHODS = {"GET": _GET, "HEAD": _HEAD, "POST": _POST}
WITHOUT_BODY = frozenset({"/v1/responses/{response_id}/cancel"})
"""POST routes, beside those of OPERATE, that vLLM answers without reading a body."""
_PARAMETER = re.compile(r"\{[a-z_]+\}")


@dataclass(frozen=True)
class Route:
    """One (method, template) that may be called, and the group that a role needs for it."""

    method: str
    template: str
    group: str


def _table() -> dict[tuple[str, str], Route]:
    routes = [
        Route(method, template, group)
        for method, by_group in _METHODS.items()
        for group, templates in by_group.items()
        for template in templates.split()
    ]
    return {(route.method, route.template): route for route in routes}


TABLE: Mapping[tuple[str, str], Route] = _table()
_TEMPLATES = [
    (
        re.compile(
            _PARAMETER.sub(
                "[A-Za-z0-9_-]{1,128}", re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
            )
        ),
        route,
    )
    for (_, template), route in TABLE.items()
    if "{" in template
]


def plain_path(scope: Scope) -> str | None:
    """The path below the application's prefix, or None where the request hides its path.

    The server's decoded `path` must be the same bytes as `raw_path`: then nothing was escaped,
    and vLLM's router sees the path that is checked here. Neither Host nor `request.url` is used
    (CVE-2026-48710). `root_path` is the prefix at which Ray Serve mounts the application.
    """
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    if not path.isascii() or "%" in path or (raw is not None and raw != path.encode()):
        return None
    prefix = scope.get("root_path", "").rstrip("/")
    if prefix:
        if path == prefix:
            return "/"
        if not path.startswith(prefix + "/"):
            return None
        path = path[len(prefix) :]
    return path if path.startswith("/") else None


def find(method: str, path: str) -> Route | None:
    """The listed route of a request, or None if it is closed."""
    route = TABLE.get((method, path))
    if route is not None:
        return None if "{" in path else route
    for pattern, templated in _TEMPLATES:
        if templated.method == method and pattern.fullmatch(path):
            return templated
    return None


def methods(path: str) -> list[str]:
    """The methods listed for a path; empty for a path that is closed altogether."""
    return [method for method in _METHODS if find(method, path) is not None]


def live(application: Any) -> list[tuple[str, str]]:
    """Every (method, path) that a Starlette application would answer, including mounts and
    websockets.

    The method is `*` for a mount or a route without methods. FastAPI answers HEAD as GET.
    """
    return sorted(set(_live(application.routes, "")))


def _live(routes: Iterable[Any], prefix: str) -> Iterable[tuple[str, str]]:
    for route in routes:
        path = prefix + getattr(route, "path", "{unknown}")
        inner = getattr(route, "routes", None)
        if inner:
            yield from _live(inner, path)
        elif type(route).__name__ in {"WebSocketRoute", "APIWebSocketRoute"}:
            yield "WEBSOCKET", path
        else:
            for method in getattr(route, "methods", None) or {"*"}:
                yield method, path


def required_group(method: str, path: str) -> str:
    """The group that a role needs to call a live route, or "closed".

    A mount (`*`) can be called only at its exact path and only with a listed method.
    """
    if method == "*":
        listed = [TABLE[m, path].group for m in _METHODS if (m, path) in TABLE]
        return listed[0] if listed else "closed"
    route = TABLE.get((method, path))
    return route.group if route is not None else "closed"
