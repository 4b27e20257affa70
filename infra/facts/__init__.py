"""Facts that the rules need beyond the configuration, read from this machine without a network."""
