"""Mirrors infra/providers/random_secret."""
