"""Mirrors infra/worker_groups."""
