"""`rayline:hub`."""

from pydantic import Field

from infra.settings.framework.base import Settings


class Hub(Settings):
    """Where weights are downloaded from."""

    endpoint: str = Field("https://huggingface.co", pattern=r"^https?://[^\s/]+(/[^\s]*)?$")
    """The hub, or a mirror that speaks its protocol (HF_ENDPOINT)."""
