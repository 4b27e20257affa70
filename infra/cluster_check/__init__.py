"""A read-only look at the real cluster: what would stop or hamper `up`, before it costs anything.

`reader` reads facts through the API server, `rules` are pure functions of settings and facts, and
`program` is what the Pulumi program and `rayline check` call.
"""
