"""What the administrators of the namespace have limited: quotas and limit ranges."""

from decimal import Decimal

from infra.cluster_check.facts import ClusterFacts, Limit
from infra.cluster_check.registry import certain, cluster_rule, kubectl
from infra.cluster_check.workloads import Workload, workloads
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, set_command
from infra.settings.framework.quantities import amount
from infra.specs import control_store


@cluster_rule
def quotas_have_room(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The namespace's ResourceQuotas leave room for head, workers and one download. Not checked
    once the stack is deployed, because its own pods count then."""
    quotas = facts.quotas.value
    if facts.live.value:
        return []
    problems = []
    wanted = _total(workloads(settings))
    if claims := _new_claims(settings, facts):
        wanted |= {
            "persistentvolumeclaims": Decimal(len(claims)),
            "requests.storage": sum((amount(size) for size in claims.values()), Decimal(0)),
        }
    for quota in quotas:
        short = [
            f"{name} {_text(quota.hard[name] - quota.used.get(name, Decimal(0)))} left of "
            f"{_text(quota.hard[name])}, {_text(value)} needed"
            for name, value in wanted.items()
            if name in quota.hard and value > quota.hard[name] - quota.used.get(name, Decimal(0))
        ]
        if short:
            problems.append(
                error(
                    key_path("cluster", "namespace"),
                    f"is {settings.cluster.namespace}, whose ResourceQuota {quota.name} has too "
                    f"little room: {'; '.join(short)}. Ask for a larger quota, or lower workers, "
                    f"requests and limits. Type: {kubectl(settings, 'describe quota', quota.name)}",
                )
            )
    return problems


def _total(found: list[Workload]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {"pods": Decimal(0)}
    downloads = [each for each in found if each.temporary][:1]
    for each in [*(one for one in found if not one.temporary), *downloads]:
        total["pods"] += each.pods
        for prefix, amounts in (("requests", each.requests), ("limits", each.limits)):
            for name, value in amounts.items():
                key = f"{prefix}.{name}"
                total[key] = total.get(key, Decimal(0)) + value * each.pods
                if prefix == "requests" and name in ("cpu", "memory"):
                    total[name] = total.get(name, Decimal(0)) + value * each.pods
    return total


@cluster_rule
def limit_ranges_allow_the_pods(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """No LimitRange of the namespace has a maximum below the limits of a pod, or below the size of
    the claim."""
    problems = []
    for limit in facts.limits.value:
        if limit.type in ("Container", "Pod"):
            for each in workloads(settings):
                above = [
                    f"{name} {_text(value)}, at most {_text(limit.maximum[name])}"
                    for name, value in each.limits.items()
                    if name in limit.maximum and value > limit.maximum[name]
                ]
                if above:
                    problems.append(
                        certain(facts)(
                            key_path(*each.location),
                            f"gives {each.title} more than the LimitRange {limit.name} allows per "
                            f"{limit.type.lower()}: {'; '.join(above)}. Lower the limits, or ask "
                            f"for larger ones. Type: {kubectl(settings, 'describe limits')}",
                        )
                    )
        if limit.type == "PersistentVolumeClaim":
            for key, size in _new_claims(settings, facts).items():
                problems += _claim(key, size, limit)
    return problems


def _claim(key: str, size: str, limit: Limit) -> list[Problem]:
    most = limit.maximum.get("storage")
    if most is None or amount(size) <= most:
        return []
    return [
        error(
            key,
            f"is {size}, but the LimitRange {limit.name} allows at most "
            f"{_text(most)} per claim. Type: {set_command(key, _text(most))}",
        )
    ]


def _new_claims(settings: StackSettings, facts: ClusterFacts) -> dict[str, str]:
    """The sizes of the claims that `up` makes, by key."""
    found = {}
    if not settings.storage.existing and facts.claim.get(None) is None:
        found[key_path("storage", "size")] = settings.storage.size
    if control_store.own_claim(settings) and not facts.live.get(False):
        found[key_path("ray", "faultTolerance", "size")] = settings.ray.fault_tolerance.size
    return found


def _text(value: Decimal) -> str:
    """An amount as Kubernetes writes it: bytes in Mi or Gi, anything else as it is."""
    for power, unit in ((3, "Gi"), (2, "Mi")):
        size = Decimal(1024) ** power
        if value >= size and value % size == 0:
            return f"{value / size:f}{unit}"
    if value >= 10**9 and value % 10**9 == 0:
        return f"{value / 10**9:f}G"
    return f"{value.normalize():f}"
