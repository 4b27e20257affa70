"""Routes of the models. Serve picks the longest matching prefix, so no two may overlap."""

from collections.abc import Collection
from itertools import chain, count

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, set_command

_OWN = """
    abort_requests classify cohere collective_rpc detokenize docs fault_tolerance
    finish_weight_update generative_scoring get_world_size health inference
    init_weight_transfer_engine invocations is_paused is_scaling_elastic_ep is_sleeping
    kv_event_sources load metrics openapi.json pause ping pooling ready redoc
    release_kv_cache_memory rerank reset_encoder_cache reset_mm_cache reset_prefix_cache
    resume scale_elastic_ep score server_info shutdown_weight_transfer_engine sleep
    start_draft_weight_update start_profile start_weight_update stop_profile token tokenize
    tokenizer_info update_weight_version update_weights v1 v2 version wake_up weight_checker
    weight_info
"""
OWN_SEGMENTS = frozenset(_OWN.split())
"""First segments of the service's own routes (app.access.routes.TABLE; a test keeps them equal).
When one model is served at /, no other model may take them."""


@rule
def routes_do_not_overlap(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Only / may contain other routes."""
    problems: list[Problem] = []
    taken: list[tuple[str, str]] = []
    routes = [model.route_prefix for model in settings.models]
    others = {route.lower().rstrip("/") for route in routes}
    for number, model in enumerate(settings.models):
        key, route = key_path("models", number, "route"), routes[number]
        plain = route.lower().rstrip("/")
        repair = f"Type: {set_command(key, _free(model.name, others))}"
        # serve/schema.py _route_prefix_format of Ray 2.60.0 refuses a final slash.
        if (route != "/" and route.endswith("/")) or "//" in route or "/." in route:
            problems.append(
                error(
                    key,
                    f"is {route!r}; it must be / or a path such as /name, without // and without "
                    f"a final slash. {repair}",
                )
            )
        first = plain.split("/")[1] if plain else ""
        if first == "-":
            problems.append(error(key, f"is {route!r}, but /-/ belongs to Ray Serve. {repair}"))
        if first in OWN_SEGMENTS and "/" in routes:
            problems.append(
                error(
                    key,
                    f"is {route!r}, which would hide /{first} of the model at /. Choose another "
                    f"route. {repair}",
                )
            )
        for other, name in taken:
            if other == plain:
                problems.append(
                    error(
                        key,
                        f"is {route!r}, which is also the route of {name!r}; routes must be "
                        f"unique, ignoring case. {repair}",
                    )
                )
            elif other and plain and _overlap(plain, other):
                problems.append(error(key, f"{_nested(route, name, other)} {repair}"))
        taken.append((plain, model.name))
    return problems


def _free(name: str, taken: Collection[str]) -> str:
    """A route for a model that hides nothing and that no other model's route overlaps with."""
    numbered = (f"/{name}-{number}" for number in count(2))
    plain = [] if name.lower() in OWN_SEGMENTS else [f"/{name}"]
    wanted = chain(plain, [f"/models/{name}"], numbered)
    return next(
        route
        for route in wanted
        if not any(_overlap(route.lower(), other) for other in taken if other)
    )


def _overlap(left: str, right: str) -> bool:
    return f"{left}/".startswith(f"{right}/") or f"{right}/".startswith(f"{left}/")


def _nested(route: str, name: str, other: str) -> str:
    return (
        f"is {route!r}, and {name!r} has {other!r}: one contains the other and would receive its "
        "requests. Use routes that do not overlap (only / may contain others)."
    )
