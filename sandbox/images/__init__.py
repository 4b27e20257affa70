"""The images that the sandbox builds itself, so that nothing need be pulled from elsewhere."""
