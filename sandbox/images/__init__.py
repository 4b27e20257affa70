"""The images that the sandbox builds itself, so that none is pulled from outside."""
