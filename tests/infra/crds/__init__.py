"""Mirrors infra/crds."""
