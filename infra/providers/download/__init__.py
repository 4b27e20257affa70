"""DownloadJob: a Kubernetes Job per model that fetches its weights, with progress and the Job's own
words when it fails. docs/adr/0010-downloads-beside-pods.md
"""

from infra.providers.download.resource import DownloadJob, DownloadJobArgs

__all__ = ["DownloadJob", "DownloadJobArgs"]
