"""`rayline:timeouts`."""

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import Seconds


class Timeouts(Settings):
    """How long `pulumi up` waits before it fails and reports what is missing. Whole seconds."""

    pods_ready_seconds: Seconds = 1800
    """Until head and workers are Ready, including the first pull of a 20 GB image."""
    download_seconds: Seconds = 14400
    """Until the download of one model is complete."""
    model_ready_seconds: Seconds = 1200
    """Until every Serve application is RUNNING after a change."""
