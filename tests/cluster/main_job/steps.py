"""Changes of the configuration, each made while a client keeps calling the model `tiny`."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.main_job.client import Client, Load, constant_load
from tests.cluster.main_job.deployed import Config, Deployed, Run

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECOND_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
Pods = dict[str, tuple[str, int]]


@dataclass(frozen=True)
class Step:
    """One `up`: what it changed, the pods before and after it, and the requests during it."""

    run: Run
    before: Pods
    after: Pods
    load: Load

    def assert_tiny_was_undisturbed(self) -> None:
        assert self.load.failures == []
        assert self.load.answers > 0


def step(
    deployed: Deployed, user: Client, change: Callable[[Config], None], *, code: int = 0
) -> Step:
    deployed.configure(change)
    before = deployed.pods()
    with constant_load(user) as load:
        run = deployed.up(code=code)
    return Step(run, before, deployed.pods(), load)


def enable_group(config: Config) -> None:
    config["rayline:gpuGroups"][1]["enabled"] = True


def add_model(config: Config) -> None:
    """Add a second model, on the second group."""
    enable_group(config)
    second = copy.deepcopy(config["rayline:models"][0])
    second |= {"name": "second", "source": "rayline/tiny-b", "revision": SECOND_COMMIT}
    second |= {"gpuGroup": "rtx-3060", "route": "/second"}
    config["rayline:models"].append(second)


def second_with(**changes: object) -> Callable[[Config], None]:
    """Add the second model with other settings."""

    def change(config: Config) -> None:
        add_model(config)
        config["rayline:models"][1] |= changes

    return change
