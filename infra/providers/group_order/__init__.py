"""The order of GPU groups, remembered by the state so that a preview can refuse what breaks it."""
