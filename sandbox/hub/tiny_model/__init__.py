"""A tiny Llama, trained on the spot: real weights, tokenizer and chat template in a few MB."""
