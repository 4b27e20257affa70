"""The node: its namespaces and processes, from `make sandbox` to `make sandbox-down`."""
