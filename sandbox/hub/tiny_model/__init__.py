"""A tiny Llama made on the spot: real weights, tokenizer and chat template, a few megabytes."""
