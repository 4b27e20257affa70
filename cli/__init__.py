"""The command `rayline`: one verb per part of the project that a person calls."""
