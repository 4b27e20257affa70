"""Ports of one Ray pod: each has one listener, and Ray says of a taken one only in its logs."""

from infra.settings import StackSettings
from infra.settings.problems import Problem, error, key_path, set_command

TAKEN = {
    6379: "Ray's GCS",
    8265: "Ray's dashboard",
    10001: "Ray's client server",
    52365: "Ray's dashboard agent",
}
"""Ports that every Ray pod or its head listens on.
https://docs.ray.io/en/releases-2.60.0/ray-core/configure.html#ports-configurations"""


def check(settings: StackSettings) -> list[Problem]:
    found: list[Problem] = []
    chosen = (
        (key_path("serve", "port"), settings.serve.port, 8000),
        (key_path("ray", "metricsPort"), settings.ray.metrics_port, 8080),
    )
    taken = dict(TAKEN)
    for key, port, usual in chosen:
        if port in taken:
            found.append(
                error(key, f"is {port}, the port of {taken[port]}. Type: {set_command(key, usual)}")
            )
        taken[port] = key
    return found
