"""Parts of the sandbox are killed under a client: what it sees, and what comes back by itself."""
