"""Each port of a Ray pod has one listener; Ray reports a port conflict only in its logs."""

from itertools import count

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, set_command

TAKEN = {
    6379: "Ray's GCS",
    8265: "Ray's dashboard",
    8365: "the readiness of workers",
    10001: "Ray's client server",
    52365: "Ray's dashboard agent",
}
"""Ports that Ray itself listens on, on the head or on every pod, and rayline's own (READY_PORT of
infra.specs.names).
https://docs.ray.io/en/releases-2.60.0/ray-core/configure.html#ports-configurations"""


@rule
def ports_have_one_listener(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """The two configurable ports differ from each other and from Ray's own."""
    problems: list[Problem] = []
    chosen = (
        (key_path("serve", "port"), settings.serve.port, 8000),
        (key_path("ray", "metricsPort"), settings.ray.metrics_port, 8080),
    )
    used = {*TAKEN, *(port for _key, port, _default in chosen)}
    taken = dict(TAKEN)
    for key, port, default in chosen:
        if port in taken:
            free = next(number for number in count(default) if number not in used)
            problems.append(
                error(key, f"is {port}, the port of {taken[port]}. Type: {set_command(key, free)}")
            )
        taken[port] = key
    return problems
