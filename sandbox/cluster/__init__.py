"""What every cluster needs once its API server answers: DNS, storage classes, GPUs on the node."""
