"""vLLM in this process: arguments, placement, start, cancellation, and detection of its end."""
