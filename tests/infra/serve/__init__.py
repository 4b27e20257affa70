"""Mirrors infra/serve."""
