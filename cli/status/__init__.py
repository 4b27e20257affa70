"""`rayline status`: what really runs, beside what the stack wants."""
