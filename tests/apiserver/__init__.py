"""A real API server without nodes: etcd, kube-apiserver, and the controllers that delete.

Validation, dry runs, ownership and deletion are Kubernetes' own. Nothing runs pods: a test sets
their status by hand. CONTRIBUTING.md, "Tests against an API server", lists the fixtures.
"""
