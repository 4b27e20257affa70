"""Mirrors infra/rollout."""
