"""`rayline:hub`."""

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import HttpUrl
from infra.settings.framework.pods import PodTemplate


class Hub(Settings):
    """Where weights are downloaded from."""

    endpoint: HttpUrl = "https://huggingface.co"
    """The hub, or a mirror that speaks its protocol (HF_ENDPOINT)."""
    pod_template: PodTemplate = PodTemplate()
    """Anything else that the pods of download Jobs may contain, merged under rayline's own
    template (docs/how-to/adapt-pods.md). A Job that is complete is not run again."""
