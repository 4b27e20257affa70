"""Mirrors infra/providers/crds."""
