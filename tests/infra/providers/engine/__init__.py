"""Mirrors infra/providers/common."""
