"""Mirrors infra/facts."""
