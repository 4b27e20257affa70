"""Mirrors infra/providers/applications."""
