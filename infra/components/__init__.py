"""What is created in the cluster: a ComponentResource and its Args a file, wired by infra.stack."""
