"""Ownership: as pure functions, and under the real engine with a real API server."""
