"""Ray's control store on a claim: the version of Ray that has it, and claims that hold it."""

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, remove_command, set_command
from infra.specs import control_store

_ENABLED = key_path("ray", "faultTolerance", "enabled")
_CLASS = key_path("ray", "faultTolerance", "storageClass")


@rule
def ray_has_a_store_that_outlives_the_head(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Older versions of Ray ignore the variable that asks for the store, or know only Redis
    (https://github.com/ray-project/ray/pull/63657)."""
    ray, minimum = settings.ray, control_store.MINIMUM_RAY
    if not ray.fault_tolerance.enabled or _numbers(ray.version) >= _numbers(minimum):
        return []
    return [
        error(
            _ENABLED,
            f"is true, but rayline:ray.version is {ray.version}; Ray {minimum} is the first "
            "version that can keep its control store on a volume without Redis. "
            f"Type: {set_command(_ENABLED, False)}",
        )
    ]


@rule
def the_store_has_one_place(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """A class is that of a new claim, so it has no effect on an existing one."""
    wanted = settings.ray.fault_tolerance
    if not wanted.enabled or wanted.existing_claim is None or wanted.storage_class is None:
        return []
    return [
        error(
            _CLASS,
            f"is {wanted.storage_class!r}, which is for a new claim, but ray.faultTolerance."
            f"existingClaim is {wanted.existing_claim!r}. Type: {remove_command(_CLASS)}",
        )
    ]


@rule
def two_heads_can_mount_the_store(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """A RayService starts a second cluster beside the first, whose head may be on another node;
    ReadWriteOnce is for one node
    (https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes)."""
    wanted = settings.ray.fault_tolerance
    if settings.serve.delivery != "rayService" or not control_store.own_claim(settings):
        return []
    if wanted.storage_class is None:
        return []
    return [
        error(
            _CLASS,
            f"is {wanted.storage_class!r}, so that the store's claim is ReadWriteOnce; with "
            "serve.delivery rayService, the head of the next cluster needs it on another node "
            f"while the last one runs. Type: {remove_command(_CLASS)}",
        )
    ]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
