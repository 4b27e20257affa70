"""Mirrors infra/providers/plugin."""
