"""The claim of the model cache: its class, its access mode, its size."""

from collections.abc import Mapping
from decimal import Decimal

from infra.cluster_check.facts import Claim, ClusterFacts, StorageClass
from infra.cluster_check.registry import certain, cluster_rule, kubectl
from infra.cluster_check.workloads import workloads
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    closest,
    error,
    key_path,
    listed,
    set_command,
    warning,
)

RWX = "ReadWriteMany"
_CLASS = key_path("storage", "storageClass")
_CLAIM = key_path("storage", "claim")

SINGLE_NODE: Mapping[str, str] = {
    "ebs.csi.aws.com": "https://github.com/kubernetes-sigs/aws-ebs-csi-driver",
    "kubernetes.io/aws-ebs": "https://kubernetes.io/docs/concepts/storage/persistent-volumes/",
    "disk.csi.azure.com": "https://github.com/kubernetes-sigs/azuredisk-csi-driver",
    "kubernetes.io/azure-disk": "https://kubernetes.io/docs/concepts/storage/persistent-volumes/",
    "pd.csi.storage.gke.io": "https://github.com/kubernetes-sigs/gcp-compute-persistent-disk-csi-driver",
    "kubernetes.io/gce-pd": "https://kubernetes.io/docs/concepts/storage/persistent-volumes/",
    "rbd.csi.ceph.com": "https://github.com/ceph/ceph-csi",
    "csi.hetzner.cloud": "https://github.com/hetznercloud/csi-driver",
    "dobs.csi.digitalocean.com": "https://github.com/digitalocean/csi-digitalocean",
    "topolvm.io": "https://github.com/topolvm/topolvm",
    "local.csi.openebs.io": "https://github.com/openebs/lvm-localpv",
    "openebs.io/local": "https://openebs.io/docs",
}
"""Provisioners whose volumes with a file system are mounted on one node at a time -> their
documentation. Some of them offer ReadWriteMany for raw block devices only, which is no use here.
Rook names its driver after its namespace, `rook-ceph.rbd.csi.ceph.com`, so names match at their
end."""

DOUBTFUL: Mapping[str, str] = {
    "rancher.io/local-path": "it offers ReadWriteOnce unless its administrator has configured "
    "sharedFileSystemPath",
    "driver.longhorn.io": "it offers ReadWriteMany only through its share manager, which needs an "
    "NFS client on every node",
    "csi.vsphere.vmware.com": "it offers ReadWriteMany only with vSAN's file service",
    "cinder.csi.openstack.org": "it offers ReadWriteMany only for volume types with multi-attach",
    "kubernetes.io/no-provisioner": "it provisions nothing: a volume with ReadWriteMany has to be "
    "made by hand",
}
"""Provisioners that offer ReadWriteMany under a condition that nobody can read from the API."""


@cluster_rule
def the_storage_class_exists(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The class of a new claim exists; without `storageClass` the cluster has a default one. A free
    volume of that class is enough too."""
    classes = facts.storage_classes.value
    if _claimed(settings, facts) or _chosen(settings, classes):
        return []
    name = settings.storage.storage_class
    if any(v.storage_class == (name or "") and RWX in v.access_modes for v in facts.volumes.value):
        return []
    given = (
        f"is {name!r}, which the cluster does not have"
        if name
        else ("is not set, and the cluster has no default class")
    )
    meant = closest(name, [each.name for each in classes]) if name else None
    return [
        error(
            _CLASS,
            f"{given}; its storage classes: {listed(each.name for each in classes)}. "
            + _remedy(classes, meant),
        )
    ]


@cluster_rule
def the_storage_class_offers_read_write_many(
    settings: StackSettings, facts: ClusterFacts
) -> list[Problem]:
    """The provisioner of the class can make volumes that pods on several nodes mount
    (ReadWriteMany). An error for provisioners that never can, a warning for those that can under a
    condition."""
    classes = facts.storage_classes.value
    chosen = _chosen(settings, classes)
    if _claimed(settings, facts) or chosen is None:
        return []
    given = "is not set, and the default class" if settings.storage.storage_class is None else "is"
    what = f"{given} {chosen.name}, whose provisioner {chosen.provisioner}"
    others = [each for each in classes if each is not chosen]
    if _single_node(chosen):
        return [
            error(
                _CLASS,
                f"{what} offers no ReadWriteMany for file systems: the claim would stay Pending. "
                + _remedy(others),
            )
        ]
    if chosen.provisioner in DOUBTFUL:
        return [
            warning(
                _CLASS,
                f"{what} may not offer ReadWriteMany: {DOUBTFUL[chosen.provisioner]}. "
                + _remedy(others),
            )
        ]
    return []


@cluster_rule
def an_existing_claim_is_there(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """With `storage.existing` the claim exists, is not being deleted, and has or awaits its
    volume."""
    claim = facts.claim.value
    if not settings.storage.existing:
        return []
    name, key = settings.storage.claim, key_path("storage", "existing")
    if claim is None:
        return [
            error(
                key,
                f"is true, but the namespace {settings.cluster.namespace} has no claim {name}. "
                f"Type: {set_command(key, False)}",
            )
        ]
    describe = kubectl(settings, "describe pvc", name)
    if claim.meta.terminating:
        return [error(_CLAIM, f"is {name}, which is being deleted. Type: {describe}")]
    if claim.phase == "Lost":
        return [error(_CLAIM, f"is {name}, which has lost its volume. Type: {describe}")]
    if claim.phase != "Bound" and not _waits(claim, facts.storage_classes.get(())):
        return [warning(_CLAIM, f"is {name}, which has no volume yet. Type: {describe}")]
    return []


@cluster_rule
def an_existing_claim_can_be_shared(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The access mode of an existing claim lets every pod mount it: ReadWriteMany, or ReadWriteOnce
    where all pods are on one node. Downloads write, so ReadOnlyMany is an error."""
    claim = facts.claim.value
    if not settings.storage.existing or claim is None or RWX in claim.access_modes:
        return []
    modes = f"is {settings.storage.claim}, which offers {listed(claim.access_modes)} only"
    look = kubectl(settings, "get pvc", settings.storage.claim, "-o wide")
    remedy = f"Make a claim with {RWX}, and set its name. Type: {look}"
    if "ReadWriteOnce" not in claim.access_modes:
        return [
            certain(facts)(
                _CLAIM, f"{modes}; several pods use it, and downloads write to it. {remedy}"
            )
        ]
    if len(facts.nodes.value) == 1:
        return []
    spread = [each for each in workloads(settings) if each.spread and each.pods > 1]
    if spread:
        return [
            certain(facts)(
                _CLAIM,
                f"{modes}, so that one node mounts it, but {spread[0].title} has "
                f"{spread[0].pods} workers on as many nodes. {remedy}",
            )
        ]
    return [
        warning(
            _CLAIM,
            f"{modes}, so that one node mounts it; the cluster has {len(facts.nodes.value)} nodes, "
            f"and pods on another one would wait for ever. {remedy}",
        )
    ]


@cluster_rule
def an_existing_claim_is_large_enough(
    settings: StackSettings, facts: ClusterFacts
) -> list[Problem]:
    """An existing claim is larger than the weights of all models whose size is known. A warning,
    because some may be downloaded already, and others deleted."""
    claim = facts.claim.value
    if not settings.storage.existing or claim is None or not claim.size:
        return []
    weights = {(m.source, m.revision): m.weights_gib or 0 for m in settings.models}
    needed = Decimal(str(sum(weights.values()))) * 1024**3
    if needed <= claim.size:
        return []
    return [
        warning(
            _CLAIM,
            f"is {settings.storage.claim} with {claim.size / 1024**3:.0f} GiB, but the weights of "
            f"the models have {needed / 1024**3:.0f} GiB (models[].weightsGib). "
            f"Type: {kubectl(settings, 'edit pvc', settings.storage.claim)}",
        )
    ]


def _claimed(settings: StackSettings, facts: ClusterFacts) -> bool:
    """Whether no claim will be made: it is somebody else's, or was made before."""
    return settings.storage.existing or facts.claim.get(None) is not None


def _chosen(settings: StackSettings, classes: tuple[StorageClass, ...]) -> StorageClass | None:
    wanted = settings.storage.storage_class
    return next((c for c in classes if (c.name == wanted if wanted else c.default)), None)


def _single_node(chosen: StorageClass) -> bool:
    name = chosen.provisioner
    return any(name == known or name.endswith(f".{known}") for known in SINGLE_NODE)


def _waits(claim: Claim, classes: tuple[StorageClass, ...]) -> bool:
    return any(each.waits and each.name == claim.storage_class for each in classes)


def _remedy(others: tuple[StorageClass, ...] | list[StorageClass], meant: str | None = None) -> str:
    good = [c for c in others if not _single_node(c) and c.provisioner not in DOUBTFUL]
    if meant or good:
        return f"Type: {set_command(_CLASS, meant or good[0].name)}"
    return (
        "Install a provisioner for a shared file system, or make a claim by hand. "
        f"Type: {set_command(key_path('storage', 'existing'), True)}"
    )
