"""What the rules know beyond the configuration, read from this machine without any network."""
