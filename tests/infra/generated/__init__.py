"""Mirrors infra/generated."""
