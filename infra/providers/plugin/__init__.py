"""The provider plug-in `rayline`: a gRPC server that Pulumi's engine starts and calls.

https://pulumi-developer-docs.readthedocs.io/latest/docs/architecture/providers/README.html
"""
