"""What is created in the cluster: one ComponentResource and its Args a file, wired by infra.stack."""
