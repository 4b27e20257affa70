"""Ray Serve's applications as a Pulumi resource."""
