"""Mirrors infra/providers/group_order."""
