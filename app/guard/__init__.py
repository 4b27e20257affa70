"""The ASGI layer in front of vLLM's application: one request, from its bytes to its answer."""
