"""What can go wrong with a download."""


class DownloadError(Exception):
    """Each message says which model's Job, what it said itself, and what to type."""
