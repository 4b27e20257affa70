"""DownloadJob: a Kubernetes Job per model that fetches its weights. It shows progress, and quotes
the Job's log when it fails. docs/adr/0010-downloads-beside-pods.md
"""

from infra.providers.download.resource import DownloadJob, DownloadJobArgs

__all__ = ["DownloadJob", "DownloadJobArgs"]
