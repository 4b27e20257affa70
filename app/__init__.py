"""What runs in the cluster: a Ray Serve application around a vLLM engine. Imports no pulumi."""
