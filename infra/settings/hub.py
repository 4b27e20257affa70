"""`rayline:hub`."""

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import HttpUrl


class Hub(Settings):
    """Where weights are downloaded from."""

    endpoint: HttpUrl = "https://huggingface.co"
    """The hub, or a mirror that speaks its protocol (HF_ENDPOINT)."""
