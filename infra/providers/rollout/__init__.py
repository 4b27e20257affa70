"""Running Ray pods brought to their wanted templates, as a Pulumi resource."""
