"""Completes a cluster whose API server answers: DNS, storage classes, GPUs on the node."""
