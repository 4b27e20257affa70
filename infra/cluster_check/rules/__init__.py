"""One module per subject; a new module is discovered automatically."""
