"""Mirrors cli/status."""
