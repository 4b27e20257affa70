"""`rayline:hub`."""

from pydantic import Field

from infra.settings.framework.base import Settings, Toleration


class Hub(Settings):
    """Where weights are downloaded from."""

    endpoint: str = Field("https://huggingface.co", pattern=r"^https?://[^\s/]+(/[^\s]*)?$")
    """The hub, or a mirror that speaks its protocol (HF_ENDPOINT)."""
    node_selector: dict[str, str] | None = None
    """Labels of the nodes that run download Jobs; {} for any node. Absent: the nodes of the model's
    GPU group."""
    tolerations: tuple[Toleration, ...] | None = None
    """Taints that download Jobs tolerate. Absent: those of the model's GPU group."""
