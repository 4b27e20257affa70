"""NetworkPolicies enforced for packets: pods are network namespaces, the API server is real."""
