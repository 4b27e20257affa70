"""What the rules know beyond the configuration, gathered from this machine."""
