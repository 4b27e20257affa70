"""Who is calling: users, passwords, tokens."""
