"""The claim of Ray's control store."""

from infra.cluster_check.facts import ClusterFacts
from infra.cluster_check.registry import cluster_rule
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    closest,
    error,
    key_path,
    listed,
    remove_command,
    set_command,
)
from infra.specs import control_store

_CLASS = key_path("ray", "faultTolerance", "storageClass")


@cluster_rule
def the_class_of_the_control_store_exists(
    settings: StackSettings, facts: ClusterFacts
) -> list[Problem]:
    """The class that `ray.faultTolerance` names exists. The head would stay Pending."""
    wanted = settings.ray.fault_tolerance.storage_class
    classes = [each.name for each in facts.storage_classes.value]
    if not control_store.own_claim(settings) or wanted is None or wanted in classes:
        return []
    meant = closest(wanted, classes)
    remedy = set_command(_CLASS, meant) if meant else remove_command(_CLASS)
    return [
        error(
            _CLASS,
            f"is {wanted!r}, which the cluster does not have; its storage classes: "
            f"{listed(classes)}. Type: {remedy}",
        )
    ]
