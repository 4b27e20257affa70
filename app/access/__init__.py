"""What a role may call, and how much of it: roles, routes, limits, and counts over replicas."""
