"""`rayline:hub`."""

from typing import Annotated

from pydantic import Field

from infra.settings.framework.base import Settings, Toleration
from infra.settings.framework.grammar import HttpUrl, Labels
from infra.settings.framework.pods import PodTemplate


class Hub(Settings):
    """Where weights are downloaded from."""

    endpoint: HttpUrl = "https://huggingface.co"
    """The hub, or a mirror that speaks its protocol (HF_ENDPOINT)."""
    node_selector: Labels | None = None
    """Labels of the nodes that run download Jobs; {} for any node. Absent: the nodes of the model's
    GPU group."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=100)] | None = None
    """Taints that download Jobs tolerate. Absent: those of the model's GPU group."""
    pod_template: PodTemplate = PodTemplate()
    """Anything else that the pods of download Jobs may contain, merged under rayline's own
    template (docs/how-to/adapt-pods.md). A Job that is complete is not run again."""
