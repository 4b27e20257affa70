"""Settings of the guard have keys, so that a mistake is found before a replica refuses to start."""

from typing import Any

from pydantic import ValidationError

from infra.facts.machine import Facts
from infra.rules.environment import GUARD_PREFIX, variables
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.api import Api
from infra.settings.framework.problems import (
    Problem,
    closest,
    error,
    key_path,
    listed,
    remove_command,
    set_command,
    warning,
)
from infra.settings.models import Model

DEFAULT_MAX_NUM_SEQS = 256
"""app.engine.settings; tests/infra/parity compares the two."""
_KEYS = {name: str(field.alias) for name, field in Api.model_fields.items()}


@rule
def settings_of_the_guard_are_not_variables(
    settings: StackSettings, _facts: Facts
) -> list[Problem]:
    """app.guard.settings reads `GUARD_<FIELD>`; rayline:api and models[].api write it. A
    variable in `env` would silently override a key, or be overridden by it."""
    return [
        _variable(location, name, value)
        for location, env in variables(settings)
        for name, value in env.items()
        if name.startswith(GUARD_PREFIX)
    ]


@rule
def roles_name_models_of_the_stack(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """app.access.permissions compares the names. A LoRA adapter also has one, hence a warning."""
    served = [name for model in settings.models for name in (model.name, *model.aliases)]
    problems = []
    for role, limits in settings.auth.roles.items():
        for number, name in enumerate(limits.models or ()):
            if name in served:
                continue
            key = key_path("auth", "roles", role, "models", number)
            meant = closest(name, served)
            hint = f" Did you mean {meant!r}? Type: {set_command(key, meant)}" if meant else ""
            problems.append(
                warning(key, f"is {name!r}, and this stack serves {listed(served)}.{hint}")
            )
    return problems


@rule
def no_user_can_fill_a_replica(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """app.access.limits counts `concurrent` per user over all replicas, and gives each replica
    `api.maxRunning` places; without it app.engine.settings gives twice maxNumSeqs."""
    problems: list[Problem] = []
    if not settings.models:
        return problems
    model = min(settings.models, key=lambda model: _places(settings, model))
    places = _places(settings, model)
    for role, limits in settings.auth.roles.items():
        if limits.concurrent is None or limits.concurrent <= places:
            continue
        key = key_path("auth", "roles", role, "concurrent")
        message = (
            f"is {limits.concurrent}, and a replica of model {model.name!r} runs {places} requests "
            "at the same time: one user of this role can fill it, and everyone else is then "
            f"answered with 429. Type: {set_command(key, max(1, places // 2))}"
        )
        problems.append(warning(key, message))
    return problems


def _places(settings: StackSettings, model: Model) -> int:
    running = settings.api.changed_by(model.api).max_running
    return running or 2 * (model.max_num_seqs or DEFAULT_MAX_NUM_SEQS)


def _variable(location: tuple[str | int, ...], name: str, value: str) -> Problem:
    key = key_path(*location, name)
    remove = remove_command(key)
    field = name.removeprefix(GUARD_PREFIX).lower()
    if field not in _KEYS or name != GUARD_PREFIX + field.upper():
        meant = closest(field, _KEYS)
        hint = f" Did you mean the key {_target(location, meant)}?" if meant else ""
        return error(key, f"is not a setting of the guard.{hint} Type: {remove}")
    target = _target(location, field)
    commands = _commands(location, field, value)
    if commands is None:
        return error(
            key,
            f"has its own key, {target}, which does not accept this value. Type: {remove}",
        )
    return error(key, f"has its own key, {target}. Type: {', then: '.join([remove, *commands])}")


def _place(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The key `api` of the model to which the variable belongs, or of all models."""
    return (*location[:2], "api") if location[0] == "models" else ("api",)


def _target(location: tuple[str | int, ...], field: str) -> str:
    return key_path(*_place(location), _KEYS[field])


def _commands(location: tuple[str | int, ...], field: str, text: str) -> list[str] | None:
    """The commands that set the key to the variable's value; None if the key does not accept it."""
    is_list = isinstance(getattr(Api(), field), tuple)
    words: Any = text.replace(",", " ").split() if is_list else text.strip()
    if not is_list and words.isdecimal() and type(getattr(Api(), field)) is not bool:
        words = int(words)
    try:
        value = getattr(Api.model_validate({field: words}), field)
    except ValidationError:
        return None
    here = (*_place(location), _KEYS[field])
    if is_list:
        return [set_command(key_path(*here, i), each) for i, each in enumerate(value)]
    return [set_command(key_path(*here), value)]
