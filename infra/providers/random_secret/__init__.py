"""Secrets that nobody gave: made once, kept encrypted in the state."""
