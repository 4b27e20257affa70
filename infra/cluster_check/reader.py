"""Reads the facts of one cluster: only GET, and POST of SelfSubjectAccessReview, which stores
nothing (https://kubernetes.io/docs/reference/access-authn-authz/authorization/)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.cluster_check import parse, rights
from infra.cluster_check.asking import Asking
from infra.cluster_check.facts import ClusterFacts, Fact, Pod, Right
from infra.cluster_check.scheduling import candidates
from infra.cluster_check.workloads import Workload, workloads
from infra.settings import StackSettings
from infra.specs import monitoring, names

MOST_NODES = 32
"""On how many nodes the neighbours' pods are read."""
FIELDS = frozenset(ClusterFacts.__dataclass_fields__)
OPERATORS = f"app.kubernetes.io/name in ({', '.join(parse.OPERATOR_NAMES)})"
ENDED = ("Succeeded", "Failed")
Work = dict[str, Callable[[], Any]]


class UnreachableError(Exception):
    """The cluster could not be asked. The text is a sentence for the user."""


def read(settings: StackSettings, seconds: float) -> ClusterFacts:
    """The facts, after `seconds` at most. UnreachableError if the API server does not answer in
    time, or refuses who asks."""
    asking = Asking(settings.cluster.context, seconds)
    opened = asking.all({"": asking.open})[""]
    if opened.reason:
        raise UnreachableError(opened.reason)
    return _Reader(settings, asking).read(opened.value)


class _Reader:
    def __init__(self, settings: StackSettings, asking: Asking) -> None:
        self._settings = settings
        self._asking = asking
        self._pods = workloads(settings)
        home = settings.cluster.namespace
        self._core = f"/api/v1/namespaces/{home}"
        self._ray = f"/apis/ray.io/v1/namespaces/{home}"
        self._policies = f"/apis/networking.k8s.io/v1/namespaces/{home}/networkpolicies"

    def read(self, version: str) -> ClusterFacts:
        first = self._asking.all(self._work())
        policies = first["policies"]
        closed, others = policies.get(((), ()))
        return ClusterFacts(
            context=self._settings.cluster.context,
            version=version,
            secrets={name[1:]: fact for name, fact in first.items() if name.startswith("/")},
            closed_by=Fact(closed, policies.reason),
            opened_by=Fact(others, policies.reason),
            neighbours=self._neighbours(first),
            volumes=self._volumes(first),
            **{name: fact for name, fact in first.items() if name in FIELDS},
        )

    def _work(self) -> Work:
        settings, core = self._settings, self._core
        one, several = self._one, self._several
        work: Work = {
            "uid": one("/api/v1/namespaces/kube-system", parse.uid),
            "missing_rights": self._missing_rights,
            "namespace": one(core, parse.meta),
            "claim": one(f"{core}/persistentvolumeclaims/{settings.storage.claim}", parse.claim),
            "storage_classes": several(
                "/apis/storage.k8s.io/v1/storageclasses", parse.storage_class
            ),
            "runtime_classes": several("/apis/node.k8s.io/v1/runtimeclasses", parse.runtime_class),
            "nodes": several("/api/v1/nodes", parse.node),
            "own_pods": self._own_pods,
            "operators": lambda: parse.operators(
                several("/apis/apps/v1/deployments", dict, labelSelector=OPERATORS)()
            ),
            "ray_clusters": several("/apis/ray.io/v1/rayclusters", parse.meta),
            "ray_kinds": one("/apis/ray.io/v1", parse.kinds, frozenset()),
            "monitoring_kinds": one(f"/apis/{monitoring.OPERATOR_API}", parse.kinds, frozenset()),
            "live": self._live,
            "autoscaler": self._autoscaler,
            "quotas": lambda: parse.quotas(several(f"{core}/resourcequotas", dict)()),
            "limits": lambda: parse.limits(several(f"{core}/limitranges", dict)()),
            "policies": lambda: parse.policies(several(self._policies, dict)()),
        }
        if any(each.spec.get("priorityClassName") for each in self._pods):
            work["priority_classes"] = several(
                "/apis/scheduling.k8s.io/v1/priorityclasses", parse.name
            )
        if settings.serve.ingress is not None:
            work["ingress_classes"] = several(
                "/apis/networking.k8s.io/v1/ingressclasses", parse.ingress_class
            )
        for name in secrets(settings, self._pods):
            work[f"/{name}"] = one(f"{core}/secrets/{name}", parse.secret)
        return work

    def _volumes(self, first: Mapping[str, Fact[Any]]) -> Fact[Any]:
        """Free volumes, which matter only where no class can provision one."""
        wanted = self._settings.storage.storage_class
        classes = first["storage_classes"].get(())
        if any(each.name == wanted if wanted else each.default for each in classes):
            return Fact()
        work = {"": lambda: parse.volumes(self._several("/api/v1/persistentvolumes", dict)())}
        return self._asking.all(work)[""]

    def _neighbours(self, first: Mapping[str, Fact[Any]]) -> Fact[Any]:
        """Pods of others on the nodes that GPU groups may use, node by node: a cluster may have
        thousands of pods, and few nodes have cards."""
        nodes, classes = first["nodes"], first["runtime_classes"].get(())
        if nodes.reason:
            return Fact(None, nodes.reason)
        groups = [each for each in self._pods if each.is_group]
        places = candidates(groups, nodes.value, classes)
        if len(places) > MOST_NODES:
            return Fact(None, f"pods are looked at on {MOST_NODES} nodes at most")
        found = self._asking.all({place: self._on_node(place) for place in places})
        reason = next((fact.reason for fact in found.values() if fact.reason), "")
        return Fact(tuple(pod for fact in found.values() for pod in fact.get(())), reason)

    def _on_node(self, name: str) -> Callable[[], tuple[Pod, ...]]:
        running = self._several("/api/v1/pods", dict, fieldSelector=f"spec.nodeName={name}")
        return lambda: tuple(pod for pod in _pods(running()) if not self._is_ours(pod))

    def _own_pods(self) -> tuple[Pod, ...]:
        ours = f"app.kubernetes.io/part-of={self._settings.ray.name}"
        return _pods(self._several(f"{self._core}/pods", dict, labelSelector=ours)())

    def _is_ours(self, pod: Pod) -> bool:
        return (
            pod.meta.namespace == self._settings.cluster.namespace
            and pod.meta.labels.get("app.kubernetes.io/part-of") == self._settings.ray.name
        )

    def _live(self) -> bool:
        paths = [f"{self._ray}/{kind}/{self._settings.ray.name}" for kind in parse.RAY_PLURALS]
        found = [self._asking.object(path, parse.meta) for path in paths]
        return any(each is not None and each.ours for each in found)

    def _autoscaler(self) -> bool:
        """The cluster autoscaler's status, which managed services write too, or Karpenter's API."""
        status = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
        return any(self._asking.object(path, bool) for path in ("/apis/karpenter.sh", status))

    def _missing_rights(self) -> tuple[Right, ...]:
        if self._asking.may(rights.EVERYTHING):
            return ()
        wanted = rights.needed(self._settings)
        answers = self._asking.all({str(right): self._ask(right) for right in wanted})
        return tuple(right for right in wanted if not answers[str(right)].value)

    def _ask(self, right: Right) -> Callable[[], bool]:
        return lambda: self._asking.may(right)

    def _one(
        self, path: str, convert: Callable[[Any], Any], absent: object = None
    ) -> Callable[[], Any]:
        def one() -> Any:
            found = self._asking.object(path, convert)
            return absent if found is None else found

        return one

    def _several(
        self, path: str, convert: Callable[[Any], Any], **query: str
    ) -> Callable[[], tuple[Any, ...]]:
        return lambda: self._asking.several(path, convert, **query)


def _pods(items: Sequence[Any]) -> tuple[Pod, ...]:
    """The pods that have not ended."""
    return tuple(
        parse.pod(item) for item in items if (item.get("status") or {}).get("phase") not in ENDED
    )


def secrets(settings: StackSettings, pods: Sequence[Workload]) -> list[str]:
    """Names of the Secrets that the stack refers to and does not make."""
    found = [
        each["name"]
        for workload in pods
        for each in workload.spec.get("imagePullSecrets") or []
        if "name" in each
    ]
    ingress = settings.serve.ingress
    if ingress is not None and ingress.tls_secret:
        found.append(ingress.tls_secret)
    ours = {
        settings.auth.secret_name,
        names.created_pull_secret(settings),
        names.ray_token_secret(settings),
        names.hub_token_secret(settings),
    }
    return [name for name in dict.fromkeys(found) if name not in ours]
