"""A hub of models for the sandbox, which reaches none: the tiny model under several names."""
