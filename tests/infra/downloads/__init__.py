"""Downloads as resources."""
