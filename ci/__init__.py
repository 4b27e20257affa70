"""Commands for CI pipelines: tools, previews with their comment, `up`."""
