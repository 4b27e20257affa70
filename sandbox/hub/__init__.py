"""A model hub for networks that reach no other: serves the tiny model under many names."""
