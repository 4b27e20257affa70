"""The plug-in under the real Pulumi engine."""
