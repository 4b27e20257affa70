"""Resources that Kubernetes does not have: each a Pulumi provider of our own."""
