"""Shared by the providers: properties, the engine's call, waiting, the API server, pods."""
