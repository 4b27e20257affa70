"""Mirrors infra/components; the program that uses them is in tests/infra/program."""
