"""A real one-node Kubernetes, with registry and BuildKit, for laptops and CI."""
