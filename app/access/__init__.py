"""What a role may call and how much of it: routes, roles, permissions, limits, shared counts."""
