"""What every cluster needs once its API server answers: DNS, storage classes, a node with GPUs."""
