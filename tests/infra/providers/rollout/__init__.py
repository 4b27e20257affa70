"""Mirrors infra/providers/rollout."""
