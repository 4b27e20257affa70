"""Builds the GPU image on the sandbox and measures it: `python -m bench.image`."""
