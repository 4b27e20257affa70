"""Mirrors infra/dynamic."""
