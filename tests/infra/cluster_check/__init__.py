"""The check against the real cluster."""
