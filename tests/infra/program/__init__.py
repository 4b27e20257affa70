"""The whole program on mocks: mirrors infra/stack.py, infra/components and __main__.py."""
