"""What the user of the context may do."""

from collections.abc import Iterable

from infra.cluster_check.facts import ClusterFacts, Right
from infra.cluster_check.registry import certain, cluster_rule
from infra.cluster_check.rights import CHART, CLUSTER_ROLES, CLUSTER_WIDE, ROLES, needed
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, key_path, listed, set_command, warning


@cluster_rule
def rights_suffice(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The user has every right that `up` and `destroy` use. If only rights to delete are missing,
    this is a warning."""
    wanted = set(needed(settings))
    missing = tuple(right for right in facts.missing_rights.value if right in wanted)
    if facts.namespace.get(None) is not None:  # nobody creates it again
        missing = tuple(each for each in missing if str(each) != "create namespaces")
    home = settings.cluster.namespace
    create, install = key_path("cluster", "createNamespace"), key_path("operator", "install")
    by_key: dict[str, list[Right]] = {}
    for right in missing:
        if right.resource == "namespaces" and settings.cluster.create_namespace:
            key = create
        elif right.namespace == home and not _of_operator(settings, right):
            key = key_path("cluster", "namespace")
        else:
            key = install
        by_key.setdefault(key, []).append(right)
    remedies = {
        create: f"Have the namespace made for you, then type: {set_command(create, False)}",
        install: "Have KubeRay installed for you, then type: " + set_command(install, False),
    }
    listing = f"kubectl --context {settings.cluster.context} auth can-i --list -n {home}"
    return [
        certain(facts)(
            key,
            f"needs rights that the user of context {facts.context!r} lacks: {_texts(rights)}. "
            + remedies.get(key, f"Ask for a role that grants them. Type: {listing}"),
        )
        if any(right.verb != "delete" for right in rights)
        else warning(
            key,
            f"leaves objects that the user of context {facts.context!r} may not delete, so that "
            f"`destroy` fails: {_texts(rights)}. "
            + remedies.get(key, f"Ask for a role that grants them. Type: {listing}"),
        )
        for key, rights in by_key.items()
    ]


def _of_operator(settings: StackSettings, right: Right) -> bool:
    what = (right.resource, right.group)
    if not settings.operator.install:
        return False
    if what in ROLES:
        return True
    return (
        right.namespace == settings.operator.namespace != settings.cluster.namespace
        and what in (*CHART, *CLUSTER_WIDE, *CLUSTER_ROLES)
    )


def _texts(rights: Iterable[Right]) -> str:
    verbs: dict[str, list[str]] = {}
    for right in rights:
        verb, _, where = str(right).partition(" ")
        verbs.setdefault(where, []).append(verb)
    return "; ".join(f"{listed(each)} {where}" for where, each in verbs.items())
