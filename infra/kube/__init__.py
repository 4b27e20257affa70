"""Thin access to the Kubernetes API server, for what no Pulumi provider does."""
