"""`rayline:storage`."""

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import ObjectName
from infra.settings.framework.quantities import Size


class Storage(Settings):
    """The model cache: one claim that all Ray pods and download Jobs mount at /data/model-cache."""

    claim: ObjectName = "model-cache-pvc"
    """Name of the PersistentVolumeClaim."""
    existing: bool = False
    """Set to true when the claim already exists; rayline then neither changes nor deletes it."""
    storage_class: ObjectName | None = None
    """Storage class of a new claim; it must support ReadWriteMany. Absent: the cluster's
    default."""
    size: Size = "200Gi"
    """Size of a new claim."""
    protect: bool = True
    """Keep the claim, with its weights and its namespace, when `pulumi destroy` runs."""
    fix_permissions: bool = False
    """Let download Jobs, as root, change the owner of the folder to uid 1000 and gid 100 where it
    differs. For volumes that ignore fsGroup."""
