"""vLLM in this process: arguments, start, cancellation, and what ends it."""
