"""The node: its namespaces, its processes, and their life from `sandbox` to `sandbox-down`."""
