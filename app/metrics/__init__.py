"""What a replica reports about itself, on the metrics port of its Ray node."""
