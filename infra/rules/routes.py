"""Routes of the models: Serve picks the longest matching prefix, so no two may meet."""

from infra.settings import StackSettings
from infra.settings.problems import Problem, error, key_path, set_command

# First segments that the service itself answers: with a model at /, another one must not take them.
# docs/service.md, vLLM's OpenAI application; `/-/` is Ray Serve's.
OWN_SEGMENTS = frozenset(
    {"v1", "token", "docs", "openapi.json", "health", "metrics", "tokenize", "detokenize", "ping"}
)


def check(settings: StackSettings) -> list[Problem]:
    found: list[Problem] = []
    taken: list[tuple[str, str]] = []
    routes = [model.route_prefix for model in settings.models]
    for number, model in enumerate(settings.models):
        key, route = key_path("models", number, "route"), routes[number]
        plain = route.lower().rstrip("/")
        repair = f"Type: {set_command(key, f'/{model.name}')}"
        # serve/schema.py _route_prefix_format of Ray 2.60.0 refuses a final slash.
        if (route != "/" and route.endswith("/")) or "//" in route or "/." in route:
            found.append(
                error(key, f"is {route!r}; allowed is / or a path like /name, without // or a / at "
                      f"the end. {repair}")
            )  # fmt: skip
        first = plain.split("/")[1] if plain else ""
        if first == "-":
            found.append(error(key, f"is {route!r}, but /-/ is Ray Serve's own. {repair}"))
        if first in OWN_SEGMENTS and "/" in routes:
            found.append(
                error(
                    key,
                    f"is {route!r}, which would hide /{first} of the model at /. Choose another. "
                    f"Type: {set_command(key, f'/models/{model.name}')}",
                )
            )
        for other, name in taken:
            if other == plain:
                found.append(
                    error(key, f"is {route!r}, the route of {name!r} as well; each model needs its "
                          f"own, and case does not count. {repair}")
                )  # fmt: skip
            elif other and plain and (plain + "/").startswith(other + "/"):
                found.append(error(key, _nested(route, name, other)))
            elif other and plain and (other + "/").startswith(plain + "/"):
                found.append(error(key, _nested(route, name, other)))
        taken.append((plain, model.name))
    return found


def _nested(route: str, name: str, other: str) -> str:
    return (
        f"is {route!r}, and {name!r} has {other!r}: one lies inside the other, and would take its "
        "requests. Use routes side by side (only / may hold others)."
    )
