"""The images that the sandbox makes itself, because nothing need be pulled from outside."""
