"""The machinery behind the configuration keys: types, error messages, schema, parser, reference.

It contains no key: every function takes the model or its schema as an argument, so that
`infra.settings` imports this package and never the other way round.
"""
